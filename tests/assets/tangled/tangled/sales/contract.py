"""What sales can do for others."""

from __future__ import annotations

from strangler.ports.declare import Port, query


class Sales(Port, capability="sales"):
    """Orders."""

    @query()
    def total(self, number: int) -> int:
        """What an order comes to, in cents."""
