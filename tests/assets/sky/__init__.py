"""A small Django project that is not ours: what a team has before it installs the kit."""
