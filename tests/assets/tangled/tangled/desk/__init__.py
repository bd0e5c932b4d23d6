"""What points into the capability: it stays in the monolith."""
