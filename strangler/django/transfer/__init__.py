"""Transfer as this project has it: where its databases are, who moves, and what is known of it."""
