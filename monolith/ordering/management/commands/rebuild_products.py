"""``manage.py rebuild_products``: fill ordering's copy of products anew."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from monolith.ordering.products import rebuild
from strangler.django.door import DoorShut, NotOwner
from strangler.ports.errors import PortError


class Command(BaseCommand):
    """Empty ordering's copy of products, and have catalog say again what each is like."""

    help = "Empty ordering's copy of products, and have catalog say again what each is like."

    def handle(self, *_: Any, **__: Any) -> None:
        """Do it; what catalog says arrives as events do, so the last of it a moment later."""
        try:
            asked = rebuild()
        except (DoorShut, NotOwner, PortError) as error:
            raise CommandError(
                f"the copy is not whole, start again: {type(error).__name__}: {error}"
            ) from error
        self.stdout.write(f"catalog says its products again, in {asked} parts")
