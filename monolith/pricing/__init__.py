"""What a basket costs. It has no tables: its rules are a file, its prices are the catalog's."""
