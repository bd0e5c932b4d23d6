"""Events in a service's own database: its tables, and publishing."""
