"""The control plane: where each capability stands, what moves it, and what must be proved first."""
