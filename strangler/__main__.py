"""``python -m strangler``: the command line, where its script is not installed."""

from strangler.cli import main

main()
