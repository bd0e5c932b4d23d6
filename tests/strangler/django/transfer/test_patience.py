"""Rows begin to flow though somebody holds a table for a while."""

from __future__ import annotations

import pytest

from strangler.django.transfer import holding
from strangler.transfer.errors import LockTimeout


def test_an_attempt_is_made_again_where_a_lock_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(holding, "PAUSE", 0.0)
    tries: list[int] = []

    def third_time_lucky() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise LockTimeout("somebody writes")

    holding._patiently(third_time_lucky)
    assert len(tries) == 3


def test_whoever_holds_it_every_time_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(holding, "PAUSE", 0.0)
    tries: list[int] = []

    def never() -> None:
        tries.append(1)
        raise LockTimeout("ann writes")

    with pytest.raises(LockTimeout, match="ann writes"):
        holding._patiently(never)
    assert len(tries) == holding.ATTEMPTS
