"""Why something could not be sent.

::

    NotSent         not this time: it is tried again
    └── NeverSent   whoever was asked says that it never will be
"""

from __future__ import annotations


class NotSent(Exception):
    """It could not be sent this time.

    Args:
        reason: what the customer reads of it.
        detail: what else there is to know; it is kept in the log alone.
    """

    def __init__(self, reason: str, detail: object = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


class NeverSent(NotSent):
    """It can't be sent at all: trying again changes nothing."""
