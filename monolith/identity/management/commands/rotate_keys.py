"""``manage.py rotate_keys``: let a new key sign access tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from monolith.identity import keys


class Command(BaseCommand):
    """Add a signing key to the file that ``IDENTITY_KEYS`` names; whatever runs sees it at once."""

    help = "Let a new key sign access tokens; makes the first one, too."

    def add_arguments(self, parser: CommandParser) -> None:
        """How many old keys to keep."""
        parser.add_argument(
            "--keep",
            type=int,
            default=2,
            help="so many of the old keys stay published, for tokens that are about (2)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Rotate, and name the new key."""
        configured = str(settings.IDENTITY["KEYS"])
        if configured.lstrip().startswith("{"):
            raise CommandError(
                "IDENTITY_KEYS holds the keys themselves, and a process can't change its "
                "environment for others: let it name a file instead"
            )
        if options["keep"] < 0:
            raise CommandError("--keep is 0 or more")
        path = Path(configured)
        kid = keys.rotate(path, keep=options["keep"])
        self.stdout.write(f"{kid} signs from now on ({path})")
