"""Sagas on the command line: which there are, what each has done, and what helps one."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from textwrap import dedent
from typing import Any

import pytest

from strangler.django import saga as sagas
from strangler.django.control_plane import inspection
from strangler.django.saga.store import Tables
from strangler.saga.machine import State
from tests.strangler.cli.conftest import Said, Terminal
from tests.strangler.saga.trips import ATTEMPTS, Office

RECORD = {
    "saga", "name", "key", "state", "step", "attempts", "cause", "reason", "trouble", "holder",
    "late", "deadline", "due", "started", "ended",
}  # fmt: skip


@pytest.fixture
def office(strangler: Terminal, monkeypatch: pytest.MonkeyPatch) -> Office:
    made = Office(Tables("default"))
    made.clock.now = time.time() - 300
    monkeypatch.setattr(sagas, "engine", lambda: made.engine)
    return made


def stuck(office: Office) -> Any:
    office.callees.will("do pay", "refused")
    office.callees.will("undo flight", *["silent"] * ATTEMPTS)
    seen = office.start()
    for _ in range(ATTEMPTS - 1):
        seen = office.resume(seen.id, after=60)
    assert seen.state is State.STUCK
    return seen


def plain(said: Said, seen: Any) -> str:
    text = said.out.replace(str(seen.id), "ID").replace(str(seen.id)[:13], "ID".ljust(13))
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


def test_those_that_are_open_are_listed(strangler: Terminal, office: Office) -> None:
    assert strangler("saga", "list").out == "no saga is open\n"
    office.start("bob", key="2")
    seen = stuck(office)

    said = strangler("saga", "list")

    assert (said.code, said.err) == (0, "")
    assert plain(said, seen) == dedent("""\
        saga           name        state                  begun
        ID             trips.book  stuck at flight        5 min ago
                                   TimedOut: undo flight
        """)
    assert len(strangler("saga", "list", "--all").out.splitlines()) == 4
    assert strangler("saga", "list", "--state", "running").out == "there is no such saga\n"
    assert strangler("saga", "list", "--name", "trips.look").out == "there is no such saga\n"
    (listed,) = strangler("saga", "list", "--json").json["sagas"]
    assert listed.keys() == RECORD
    assert (listed["saga"], listed["state"], listed["step"]) == (str(seen.id), "stuck", "flight")


def test_a_saga_is_shown_with_what_it_has_done(strangler: Terminal, office: Office) -> None:
    seen = stuck(office)

    said = strangler("saga", "show", str(seen.id)[:8])

    assert (said.code, said.err) == (0, "")
    shown = plain(said, seen)
    head, _, log = shown.partition("\n\n")
    assert head == dedent("""\
        trips.book ID: stuck
          key         1
          data        {"name":"ann","booked":["flight","hotel"]}
          begun       MM-DD HH:MM:SS
          step        flight
          trouble     TimedOut: undo flight
          turned for  FullUp: There is no room left. (step='do pay')
          locks       trip:ann""")
    lines = [re.split(r" {2,}", line)[1:4] for line in log.splitlines()[1:]]
    assert lines[:2] == [["flight", "try", "1"], ["flight", "done", "1"]]
    assert ["hotel", "undone", "1"] in lines
    assert lines[-1] == ["flight", "not undone", str(ATTEMPTS)]
    told = strangler("saga", "show", str(seen.id), "--json").json
    assert told.keys() == RECORD | {"data", "locks", "log"}
    assert told["locks"] == ["trip:ann"]
    assert told["log"][-1]["event"] == "not undone"


def test_one_that_is_stuck_is_retried(strangler: Terminal, office: Office) -> None:
    seen = stuck(office)

    said = strangler("saga", "retry", str(seen.id), "--reason", "the airline is back")

    assert (said.code, said.err) == (0, "")
    assert plain(said, seen) == (
        "trips.book ID: compensated\nFullUp: There is no room left. (step='do pay')\n"
    )
    log = office.engine.show(seen.id).log
    assert any(one.detail == "ann@shop: the airline is back" for one in log)
    again = strangler("saga", "retry", str(seen.id))
    assert again.code == 1
    assert "is compensated, and not stuck: there is nothing to retry" in again.err


def test_one_that_is_kept_again_is_no_success(strangler: Terminal, office: Office) -> None:
    seen = stuck(office)
    office.callees.will("undo flight", *["silent"] * ATTEMPTS)

    said = strangler("saga", "retry", str(seen.id), "--json")

    assert (said.code, said.json["state"]) == (1, "compensating")
    assert said.json["trouble"] == "TimedOut: undo flight"
    for _ in range(ATTEMPTS - 1):
        again = office.resume(seen.id, after=60)
    assert again.state is State.STUCK


def test_one_can_be_abandoned_with_a_reason(strangler: Terminal, office: Office) -> None:
    seen = stuck(office)

    assert strangler("saga", "abandon", str(seen.id)).code == 2
    said = strangler("saga", "abandon", str(seen.id), "--reason", "flown by now", "--json")

    assert (said.code, said.json["state"]) == (0, "abandoned")
    assert office.engine.show(seen.id).locks == []
    assert strangler("saga", "abandon", str(seen.id), "--reason", "again").code == 1


@pytest.mark.parametrize("text", ["6f1", "nothing", "0000-0000", ""])
def test_one_that_is_not_there_is_a_mistake_of_whoever_types(
    strangler: Terminal, office: Office, text: str
) -> None:
    office.start()

    said = strangler("saga", "show", text, "--json")

    assert (said.code, said.json["error"]) == (2, "UnknownSaga")


def test_an_id_is_typed_as_far_as_it_is_needed(strangler: Terminal, office: Office) -> None:
    ids = [str(office.start(key=str(number)).id) for number in range(3)]

    for one in ids:
        assert strangler("saga", "show", one[:9].upper(), "--json").json["saga"] == one


def test_check_names_those_that_are_stuck_and_what_helps(
    strangler: Terminal, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*arguments: str) -> list[dict[str, str]]:
        found = strangler("check", *arguments, "--json").json["findings"]
        return [one for one in found if one["about"] == "saga"]

    office.start("bob", key="2")
    assert said() == []
    seen = stuck(office)
    since = datetime.fromtimestamp(office.clock.now, UTC).strftime("%Y-%m-%d %H:%M UTC")

    (finding,) = said()

    assert finding["level"] == "error"
    assert finding["message"] == (
        f"trips.book {seen.id} is stuck at flight since {since}: TimedOut: undo flight"
    )
    assert f"strangler saga retry {seen.id}" in finding["remedy"]
    assert f"strangler saga abandon {seen.id} --reason" in finding["remedy"]
    assert strangler("check").code == 1
    assert said("pricing") == [], "it is none of pricing's"
    monkeypatch.setattr(inspection, "STUCK", 0)
    assert [one["message"] for one in said()] == ["there are more that are stuck"]
    office.engine.abandon(seen.id, actor="ann", reason="flown by now")
    assert said() == []
