"""``manage.py strangler …`` is ``strangler …``."""

from __future__ import annotations

import sys
from argparse import REMAINDER
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from strangler.cli import run


class Command(BaseCommand):
    """See where each capability stands, and move it."""

    help = "See where each capability stands, and move it: manage.py strangler --help"
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Hand everything after the command's name over, options too."""
        sys.exit(run(argv[2:], program=f"{argv[0]} {argv[1]}"))

    def print_help(self, prog_name: str, subcommand: str) -> None:
        """``manage.py help strangler``."""
        run(["--help"], program=f"{prog_name} {subcommand}")

    def add_arguments(self, parser: CommandParser) -> None:
        """For ``call_command("strangler", "status", …)``."""
        parser.add_argument("arguments", nargs=REMAINDER)

    def handle(self, *_: Any, **options: Any) -> None:
        """Run one command.

        Raises:
            CommandError: its exit code was not 0.
        """
        code = run(options["arguments"])
        if code:
            raise CommandError(f"strangler exited with {code}", returncode=code)
