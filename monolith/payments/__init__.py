"""The payments context: what orders were paid with, and what went back."""
