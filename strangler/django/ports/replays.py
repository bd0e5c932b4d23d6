"""Which single-use tokens have been delivered, to whichever process of this party."""

from __future__ import annotations

import threading
import time

from django.db import IntegrityError, transaction

from strangler.django import conf
from strangler.django.models import Delivery

_TIDY = 60.0


class DatabaseReplays:
    """A replay guard that all processes share, in the control plane's database."""

    def __init__(self) -> None:
        self._tidied = time.monotonic()
        self._lock = threading.Lock()

    def first(self, issuer: str, token: str, expires: float) -> bool:
        """Is this the first delivery of the token? ``expires`` is in seconds since the epoch.

        Raises:
            django.db.Error: the database is away; nobody can say.
        """
        using = conf.settings().database
        self._tidy(using)
        try:
            with transaction.atomic(using=using):
                Delivery.objects.using(using).create(issuer=issuer, token=token, expires=expires)
        except IntegrityError:
            return False
        return True

    def _tidy(self, using: str) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._tidied < _TIDY:
                return
            self._tidied = now
        Delivery.objects.using(using).filter(expires__lt=time.time()).delete()
