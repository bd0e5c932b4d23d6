"""The engine in any order, over tables."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from strangler.django.saga.store import Tables
from tests.strangler.saga.anyhow import Anyhow

LONG = bool(os.environ.get("STRANGLER_CHAOS"))


class InTables(Anyhow):
    @staticmethod
    def store() -> Tables:
        return Tables("default")


@pytest.mark.django_db
class TestInTables(InTables.TestCase):  # type: ignore[misc]  # Hypothesis makes the class
    settings = settings(max_examples=400 if LONG else 8, stateful_step_count=30)
