"""The door, the fence and pins, as the monolith's processes meet them."""
