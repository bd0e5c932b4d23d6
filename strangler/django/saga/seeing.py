"""Finding a saga by as much of its id as a person types."""

from __future__ import annotations

import re
from uuid import UUID

from strangler.django import conf
from strangler.django.saga.models import Saga
from strangler.saga.errors import UnknownSaga

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
