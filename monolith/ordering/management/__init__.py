"""What ordering does when it is told to by hand."""
