"""Orders that shipping has heard of, and whoever asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from strangler.django.events.consuming import consumer
from tests.monolith.events import carried, confirmed


@pytest.fixture
def heard(db: None) -> Callable[..., UUID]:
    """``heard(customer="carl")`` confirms an order, and shipping has been told; gives its id."""

    def hear(**said: Any) -> UUID:
        event = confirmed(**said)
        consumer("shipping").take([carried(event)])
        return event.order

    return hear


@pytest.fixture
def clients(
    user: Callable[..., Any], client_of: Callable[[Any], APIClient]
) -> dict[str, tuple[APIClient, str]]:
    """``cleo`` and ``carl`` are customers, ``stan`` is staff: a client of each, and their id."""
    made = {name: user(name, is_staff=name == "stan") for name in ("cleo", "carl", "stan")}
    return {name: (client_of(one), str(one.pk)) for name, one in made.items()}
