"""What both kinds of database know of events that are still to be told."""

from __future__ import annotations

from strangler.transfer.untold import MANY
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
