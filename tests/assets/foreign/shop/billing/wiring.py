"""Who answers for billing here."""

from __future__ import annotations

from shop.billing.contract import Billing
from strangler.ports.serve import serve


class BillingService(Billing):
    """The monolith's own."""

    def total(self, number: int) -> int:
        """Every invoice comes to its own number."""
        return number


serve(Billing, BillingService())
