"""What billing can do for others."""

from __future__ import annotations

from strangler.ports.declare import Port, query


class Billing(Port, capability="billing"):
    """Invoices."""

    @query()
    def total(self, number: int) -> int:
        """What an invoice comes to, in cents."""
