"""The store for tests promises what the others do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from strangler.saga.memory import Memory
from tests.strangler.saga.conformance import Conformance, Crowd


@pytest.fixture
def store() -> Memory:
    return Memory()


@pytest.fixture
def close() -> Callable[[], None]:
    return lambda: None


class TestMemory(Conformance, Crowd):
    pass
