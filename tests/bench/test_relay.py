"""What the relay bench's figures are made of. Nothing here is timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from tests.bench import relay
from tests.bench.relay import Way
from tests.servers import Postgres
from tests.strangler.events.speaking import Speaker

pytestmark = [pytest.mark.postgres, pytest.mark.redis]


@pytest.fixture
def speaker(postgres: Postgres) -> Iterator[Speaker]:
    url = postgres.create()
    yield Speaker(url)
    postgres.drop(url)


def test_every_way_tells_all_of_it(
    speaker: Speaker, redis_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relay, "EVENTS", 3000)
    monkeypatch.setattr(relay, "ONE_BY_ONE", 20)
    with closing(Way(speaker, redis_url)) as way, redis.Redis.from_url(redis_url) as client:
        for run, count in ((way.relayed, 3000), (way.alone, 3000), (way.one_by_one, 20)):
            assert run() > 0
            assert sum(client.xlen(key) for key in client.scan_iter(_type="stream")) == count
            assert speaker.rows("SELECT 1 FROM strangler_outbox") == []
