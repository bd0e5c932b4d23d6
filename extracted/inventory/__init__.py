"""What is in stock, and for whom it is kept, as a service with a database of its own."""
