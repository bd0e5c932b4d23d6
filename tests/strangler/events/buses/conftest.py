"""A broker for each bus, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import ServerMissingError
from tests.strangler.events.buses.brokers import (
    Broker,
    KafkaBroker,
    PostgresBroker,
    RedisBroker,
    SqliteBroker,
)

BROKERS = {
    "sqlite": SqliteBroker,
    "postgres": PostgresBroker,
    "redis": RedisBroker,
    "kafka": KafkaBroker,
}
MARKS = {"postgres": [pytest.mark.postgres], "redis": [pytest.mark.redis]}


@pytest.fixture(
    scope="session", params=[pytest.param(name, marks=MARKS.get(name, ())) for name in BROKERS]
)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """What a bus stands on."""
    try:
        made = BROKERS[request.param]()
    except ServerMissingError as missing:
        pytest.skip(str(missing))
    with made:
        yield made
