"""The control database's clock: processes and servers need not agree on the time.

Movers write down when they have said something by that clock; so whoever wants to know how long ago
that was has to ask it, too.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models.functions import Now

from strangler.django import conf
from strangler.django.models import Transfer


def now(name: str) -> datetime:
    """What time it is there, for a capability that has a transfer.

    Raises:
        django.db.Error: the database is away.
        Transfer.DoesNotExist: it has none.
    """
    rows = Transfer.objects.using(conf.settings().database).filter(pk=name)
    found: datetime = rows.values_list(Now(), flat=True).get()
    return found


def age(name: str, moment: datetime) -> float:
    """How many seconds ago that was, by the same clock.

    Raises:
        django.db.Error, Transfer.DoesNotExist: as ``now`` does.
    """
    return (now(name) - moment).total_seconds()
