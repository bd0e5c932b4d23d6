"""What each arm answered, counted by every process and added up in the database."""
