"""Finding sagas as a person does: by as much of an id as is typed, and those that need somebody."""

from __future__ import annotations

import re
from uuid import UUID

from strangler.django import conf
from strangler.django.saga.models import Saga
from strangler.saga.errors import UnknownSaga
from strangler.saga.machine import State

LEAST = 4
"""Characters of an id that have to be given."""
_DIGITS = 32


def found(text: str) -> UUID:
    """The one saga whose id begins so.

    Raises:
        UnknownSaga: there is none, or several, or that is no beginning of an id.
    """
    digits = text.replace("-", "").lower()
    if not re.fullmatch(rf"[0-9a-f]{{{LEAST},{_DIGITS}}}", digits):
        raise UnknownSaga(
            f"{text!r} is no id of a saga: give at least {LEAST} characters of what "
            "'strangler saga list' shows"
        )
    rows = Saga.objects.using(conf.settings().database).filter(
        pk__gte=UUID(digits.ljust(_DIGITS, "0")), pk__lte=UUID(digits.ljust(_DIGITS, "f"))
    )
    ids = list(rows.values_list("pk", flat=True)[:2])
    if len(ids) == 1:
        return ids[0]
    there = "several sagas have" if ids else "there is no saga with"
    raise UnknownSaga(f"{there} an id that begins with {text!r}")


def stuck(capability: str | None, limit: int) -> list[Saga]:
    """At most so many of those that can't end by themselves, the first to be stuck first.

    Only those of one capability, if it is given.
    """
    rows = Saga.objects.using(conf.settings().database)
    rows = rows.filter(state=State.STUCK.value, ended__isnull=True).order_by("changed", "pk")
    if capability is not None:
        rows = rows.filter(name__startswith=f"{capability}.")
    return list(rows[:limit])
