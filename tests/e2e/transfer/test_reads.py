"""Whoever has written reads it: also where a switch breaks off between two of its last steps."""

from __future__ import annotations

import httpx

from strangler.ladder import Stage
from strangler.ports.headers import EXECUTED
from tests.e2e.transfer.street import Street
from tests.e2e.transfer.test_outages import deliver, notes, stopped


def test_nobody_writes_at_an_owner_whom_the_table_does_not_name(sqlite: Street) -> None:
    """The mover dies before the table is published, and for a while nobody repairs it."""
    sqlite.stand(Stage.CANARY)
    sqlite.carried()
    sqlite.in_step()
    with sqlite.client(sqlite.staff) as client:
        sku = min(sqlite.stocks)
        while notes(client, sku)[0] != "monolith":  # whose cohort the canary leaves alone
            client.cookies.clear()
        sqlite.hand.begin_call("tests.e2e.transfer.making:advance_and_die_before_it_is_published")
        with stopped(sqlite):
            assert sqlite.hand.end() is None
            _, note, answer = deliver(client, sqlite)
            if answer.status_code == 201:
                assert note in notes(client, sku)[1], "it was acknowledged, and is not to be read"
            else:
                assert (answer.status_code, answer.headers[EXECUTED]) == (503, "no")
        sqlite.hand.kill()
        sqlite.until(lambda: _writes_and_reads(sqlite, client, sku))
    sqlite.carried()
    assert sqlite.stage() is Stage.LIVE
    assert sqlite.differing() == []


def _writes_and_reads(street: Street, client: httpx.Client, sku: str) -> bool:
    _, note, answer = deliver(client, street)
    if answer.status_code == 503:
        return False
    assert answer.status_code == 201
    arm, seen = notes(client, sku)
    assert note in seen, f"it was acknowledged, and the {arm} does not know it"
    return True
