"""What a basket costs, as a service of its own. It has no tables, and asks catalog through its port."""
