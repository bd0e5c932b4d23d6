"""What the shop sells, as a service with a database of its own."""
