"""Why something could not be sent.

::

    NotSent         not this time: it is tried again
    └── NeverSent   whoever was asked says that it never will be
"""

from __future__ import annotations


class NotSent(Exception):
    """It could not be sent this time."""


class NeverSent(NotSent):
    """It can't be sent at all: trying again changes nothing."""
