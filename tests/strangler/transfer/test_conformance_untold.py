"""What both kinds of database know of events that are still to be told."""

from __future__ import annotations

import re
from typing import Any

from strangler.events.buses.database.schema import QUEUE as QUEUES
from strangler.events.outbox import OUTBOX
from strangler.events.outbox import PARKED as ASIDE
from strangler.transfer.untold import MANY, untold
from tests.strangler.transfer.sides import CAPABILITY, Side
from tests.strangler.transfer.speaking import PARK, QUEUE, make_tables, say


def test_where_nobody_speaks_nothing_is_to_be_told(side: Side):
    assert side.installed().untold() == {}


def test_everything_that_is_on_its_way_is_counted_and_nobody_elses(side: Side):
    session, app = side.installed(), side.application()
    make_tables(app.run, kind=side.kind)
    assert session.untold() == {}
    for version in range(3):
        say(app.run, CAPABILITY, version)
        say(app.run, "another", version + 10)
    app.run(PARK, f"{20:032x}", 20, CAPABILITY, 20, "")
    app.run(PARK, f"{21:032x}", 21, CAPABILITY, 21, "dropped by hand")
    for consumer, topic in (("mail", CAPABILITY), ("mail", CAPABILITY), ("mail", "another")):
        app.run(QUEUE, consumer, topic)
    assert session.untold() == {"to be published": 3, "parked": 1, "for mail": 2}


def test_of_very_many_no_more_is_counted_than_says_so(side: Side):
    session, app = side.installed(), side.application()
    make_tables(app.run, kind=side.kind)
    with app.transaction():
        for version in range(MANY + 1):
            say(app.run, CAPABILITY, version)
    assert session.untold() == {"to be published": MANY}


def test_where_there_are_no_queues_the_outbox_is_asked_all_the_same(side: Side):
    session, app = side.installed(), side.application()
    make_tables(app.run, kind=side.kind)
    say(app.run, CAPABILITY, 1)
    app.run("DROP TABLE strangler_queue")
    assert session.untold() == {"to be published": 1}


def test_the_tables_are_the_events_own_and_read_at_one_moment():
    """Neither of the two packages may import the other."""
    asked: list[str] = []

    def ask(query: str) -> list[tuple[Any, ...]]:
        asked.append(query)
        return [("to be published", 0), ("for mail", 2)]

    assert untold(ask) == {"for mail": 2}
    (query,) = asked
    assert re.findall(r"strangler_\w+", query) == [OUTBOX, ASIDE, QUEUES]
