"""``manage.py seed``: fill the shop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from monolith.config.seeding import NobodyToOrder, Size, fill, is_empty


class Command(BaseCommand):
    """Fill the shop with believable products, customers, stock and orders, of any size."""

    help = "Fill the shop with believable products, customers, stock and orders."

    def add_arguments(self, parser: CommandParser) -> None:
        """How large, and how."""
        default = Size()
        parser.add_argument("--products", type=_count, default=default.products)
        parser.add_argument("--customers", type=_count, default=default.customers)
        parser.add_argument("--orders", type=_count, default=default.orders)
        parser.add_argument("--seed", type=int, default=1, help="another seed, another shop")
        parser.add_argument(
            "--append", action="store_true", help="add to a shop that has something"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Fill the shop, unless it has something already."""
        if not options["append"] and not is_empty():
            raise CommandError("this shop is not empty, and was left as it is; --append adds to it")
        size = Size(**{name: options[name] for name in ("products", "customers", "orders")})
        console = Console(file=self.stdout._out)  # noqa: SLF001 -- the stream below Django's styling
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        try:
            with Progress(*columns, console=console) as bars:
                accounts = fill(size, seed=options["seed"], progress=_bar(bars))
        except NobodyToOrder:
            raise CommandError(
                "orders want products and customers: give some, or --orders 0"
            ) from None
        for name, password in accounts.items():
            self.stdout.write(f"log in as {name} with {password}")


def _bar(bars: Progress) -> Callable[[str, int], Any]:
    @contextmanager
    def bar(what: str, total: int) -> Iterator[Callable[[int], object]]:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.advance(task, done)

    return bar


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number
