"""What crosses a boundary: one module per capability, with its port, its DTOs and its errors."""
