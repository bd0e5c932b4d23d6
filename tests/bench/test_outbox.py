"""What the outbox bench compares: the same orders, some of which are said. Nothing is timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from monolith.ordering.models import Order, OrderLine
from strangler.django.events.models import Outbox
from tests.bench import outbox
from tests.bench.outbox import BUSINESS, Django, Psycopg
from tests.servers import Postgres
from tests.strangler.events.speaking import Speaker


@pytest.fixture
def speaker(postgres: Postgres) -> Iterator[Speaker]:
    url = postgres.create()
    yield Speaker(url)
    postgres.drop(url)


@pytest.mark.postgres
def test_the_order_that_says_so_says_so(speaker: Speaker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outbox, "COMMITS", 3)
    speaker.run(BUSINESS)
    with closing(Psycopg(speaker)) as shop:
        for order in (lambda: shop.order(says=False), shop.noted, lambda: shop.order(says=True)):
            assert min(shop.ordered(order)) > 0
    assert speaker.rows("SELECT version FROM strangler_outbox") == [(1,)] * 3
    assert speaker.rows("SELECT version FROM bare") == [(1,)] * 3
    assert speaker.rows("SELECT count(*), count(DISTINCT purchase) FROM line") == [(27, 9)]


@pytest.mark.django_db
def test_by_django_too():
    shop = Django()
    shop.order(says=False)
    shop.order(says=True)
    assert OrderLine.objects.count() == 6
    (said,) = Outbox.objects.all()
    assert (said.type, said.version) == ("ordering.order.confirmed", 1)
    assert Order.objects.filter(id=said.aggregateid, total__gt=0).exists()
