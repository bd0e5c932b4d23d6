"""Ordering's sagas, where the engine looks for them."""

from __future__ import annotations

from monolith.ordering.cancelling import CANCEL
from monolith.ordering.checkout import CHECKOUT

__all__ = ["CANCEL", "CHECKOUT"]
