"""The engine in any order, over a store in memory."""

from __future__ import annotations

import os

from hypothesis import settings

from strangler.saga.memory import Memory
from tests.strangler.saga.anyhow import Anyhow

LONG = bool(os.environ.get("STRANGLER_CHAOS"))


class InMemory(Anyhow):
    store = Memory


class InMemorySure(Anyhow):
    store = Memory
    sure = True


HOW = settings(max_examples=1500 if LONG else 60, stateful_step_count=80 if LONG else 40)

TestInMemory = InMemory.TestCase
TestInMemory.settings = HOW
TestInMemorySure = InMemorySure.TestCase
TestInMemorySure.settings = HOW
