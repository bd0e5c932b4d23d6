"""``python -m demo.preparing PRODUCTS CUSTOMERS PARTY…``: the monolith before the doors open.

Its tables, its keys, something to sell, and a key for each party: one process for six commands.
"""

from __future__ import annotations

import sys

from django.core.management import call_command

from strangler.cli.project import load


def main(products: str, customers: str, *parties: str) -> None:
    """Give the commands that an operator would give."""
    load()
    call_command("rotate_keys")
    call_command("migrate", verbosity=0)
    call_command("seed", products=int(products), customers=int(customers), orders=0)
    for party in parties:
        call_command("strangler", "keys", party)


if __name__ == "__main__":
    main(*sys.argv[1:])
