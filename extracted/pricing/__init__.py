"""What a basket costs, as a service: it has no tables, and asks catalog through its port."""
