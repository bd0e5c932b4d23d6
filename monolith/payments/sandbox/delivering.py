"""Sends the sandbox's webhooks: signed, at least once, and worse if it is told to."""

from __future__ import annotations

import threading
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from monolith.payments.sandbox.books import Books, Event
from monolith.payments.sandbox.faults import Fault, Faults
from monolith.payments.signing import HEADER, sign

IDLE = 0.05
"""Seconds between two looks for something to send."""
PATIENCE = 10.0
"""Seconds that whoever hears a webhook may take."""
FIRST, LONGEST = 0.2, 60.0
"""Seconds before what has failed is sent again: each time twice as many."""
BEHIND = 0.5
"""Seconds by which a webhook that is out of order comes late."""


class Deliverer(threading.Thread):
    """Sends what the books have to tell, until it is told to stop."""

    def __init__(self, books: Books, faults: Faults, *, url: str, secret: str) -> None:
        super().__init__(name="webhooks", daemon=True)
        self._books = books
        self._faults = faults
        self._url = urlsplit(url)
        self._secret = secret
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Send no more, and wait until nothing is on its way."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        """Send one after the other."""
        while not self._stopping.is_set():
            event = self._books.due()
            if event is None:
                self._stopping.wait(IDLE)
            else:
                self._send(event)

    def _send(self, event: Event) -> None:
        pause = min(FIRST * 2 ** min(event.attempts, 20), LONGEST)
        if not event.attempts:
            if self._faults.strikes(Fault.REORDER):
                self._books.put_off(event, BEHIND)
                return
            if self._faults.strikes(Fault.LOSE):
                self._books.put_off(event, pause)
                return
        if not self._post(event.payload):
            self._books.put_off(event, pause)
            return
        if self._faults.strikes(Fault.DUPLICATE):
            self._post(event.payload)
        self._books.sent(event)

    def _post(self, payload: bytes) -> bool:
        """Whether it was heard."""
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=PATIENCE)
        headers = {
            "Content-Type": "application/json",
            HEADER: sign(self._secret, payload, now=time.time()),
        }
        try:
            connection.request("POST", self._url.path, payload, headers)
            return 200 <= connection.getresponse().status < 300
        except (HTTPException, OSError):
            return False
        finally:
            connection.close()
