"""Ordering's sagas, where the engine looks for them."""

from __future__ import annotations

from monolith.ordering.cancelling import BEGUN_BEFORE, CANCEL
from monolith.ordering.checkout import CHECKOUT

__all__ = ["BEGUN_BEFORE", "CANCEL", "CHECKOUT"]
