"""Are the monolith's rows fresh enough to answer in the service's place?"""

from __future__ import annotations

import threading
import time

from django.db import Error

from strangler.django import conf
from strangler.django.models import Transfer
from strangler.django.transfer.judging import flowing
from strangler.transfer.gate import FRESH, LAG

_KEPT = 1.0
"""Seconds for which an answer is kept: it is asked for every query that a service fails."""


class _Freshness:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, bool]] = {}

    def __call__(self, capability: str) -> bool:
        now = time.monotonic()
        with self._lock:
            known = self._known.get(capability)
        if known is not None and now < known[0]:
            return known[1]
        try:
            row = Transfer.objects.using(conf.settings().database).filter(pk=capability).first()
            seen = flowing(row)
        except Error:
            return False  # nobody can say
        found = (
            seen.age is not None and seen.age < FRESH and seen.lag is not None and seen.lag < LAG
        )
        with self._lock:
            self._known[capability] = (now + _KEPT, found)
        return found


in_step = _Freshness()
"""Does the mover say that rows written by the service reach the monolith within the bound?"""
