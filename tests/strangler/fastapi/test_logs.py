"""What a service writes down: one line for each request, for machines and for people."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import re
import select
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from strangler.fastapi import logs
from strangler.ports import headers as names
from strangler.ports.context import Context, Trace, User, use
from tests.strangler.fastapi.running import Party, Service, ask

TRACE = "c" * 32
PARENT = {"traceparent": f"00-{TRACE}-{'d' * 16}-01"}
CALLER = Context(user=User("7", ("staff",)), cohort=17, hops=1)
CALL = Context(
    caller="monolith", user=User("7"), cohort=17, trace=Trace(TRACE, "e" * 16), shadow=True
)


def access(garden: Service, since: int) -> list[dict[str, Any]]:
    return [line for line in garden.said()[since:] if line["logger"] == "strangler.access"]


@pytest.mark.parametrize("way", ["face", "port"])
def test_each_request_has_one_line(garden: Service, edge: Party, way: str):
    since = len(garden.said())
    if way == "face":
        edge.ask("GET", "/api/garden/plants/fig?secret=1", context=CALLER, headers=PARENT)
    else:
        edge.call("look", {"name": "fig"}, context=CALLER, headers=PARENT)
    (line,) = access(garden, since)
    path = "/api/garden/plants/fig" if way == "face" else "/_strangler/ports/garden/look"
    assert len(line.pop("span")) == 16
    assert 0 < line.pop("ms") < 5000
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "request", "method": "GET" if way == "face" else "POST", "path": path,
        "status": 200, "trace": TRACE, "caller": "monolith", "user": "7", "cohort": 17,
        "level": "info", "logger": "strangler.access", "party": "garden",
    }  # fmt: skip


def test_what_was_refused_is_nobodys(garden: Service, edge: Party):
    since = len(garden.said())
    ask(garden.url, "GET", "/api/garden/who", headers=PARENT)
    ask(garden.url, "POST", "/_strangler/ports/garden/look", b"{}", headers=PARENT)
    edge.ask("GET", "/api/garden/nothing")
    lines = access(garden, since)
    assert [line["status"] for line in lines] == [401, 401, 404]
    assert [line.get("caller") for line in lines] == [None, None, "monolith"]
    assert [line["trace"] for line in lines[:2]] == [TRACE, TRACE]


def test_probes_are_not_logged(garden: Service):
    since = len(garden.said())
    for path in ("/healthz", "/readyz", "/metrics"):
        assert garden.get(path).status == 200
    assert garden.said()[since:] == []


def test_a_hostile_path_can_not_write_lines_of_its_own(garden: Service):
    since = len(garden.said())
    ask(garden.url, "GET", '/api/garden/%0A{"event":"forged"}')
    (line,) = garden.said()[since:]
    assert (line["event"], line["status"]) == ("request", 400)
    assert line["path"] == '/api/garden/\n{"event":"forged"}'


@pytest.fixture
def _logging_restored() -> Iterator[None]:
    """The process's own logging is back afterwards."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**before)


def note() -> None:
    fields = {"method": "GET", "path": "/x", "status": 200, "ms": 1.25}
    logs.AccessLog().write({**fields, **logs.call_fields(CALL)}, at=time.time())


@pytest.mark.usefixtures("_logging_restored")
def test_every_way_to_log_says_which_request_it_was():
    stream = io.StringIO()
    logs.configure(level="INFO", party="garden", stream=stream)
    with use(CALL):
        logging.getLogger("a.library").warning("so %s", "what", extra={"key": "value"})
        structlog.get_logger("ours").info("planted", name="oak")
        logging.getLogger("a.library").debug("nobody wants to know")
    logging.getLogger("a.library").info("outside")
    note()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["so what", "planted", "outside", "request"]
    assert (lines[0]["key"], lines[1]["name"]) == ("value", "oak")
    for line in (lines[0], lines[1], lines[3]):
        assert (line["trace"], line["caller"], line["user"], line["cohort"], line["shadow"]) == (
            TRACE, "monolith", "7", 17, True,
        )  # fmt: skip
    assert "trace" not in lines[2]
    assert {line["party"] for line in lines} == {"garden"}
    stamp = lines[3]["timestamp"]
    assert (len(stamp), stamp[-1]) == (len(lines[2]["timestamp"]), "Z")


@pytest.mark.usefixtures("_logging_restored")
def test_on_a_terminal_it_is_for_people():
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours, "rb", buffering=0) as screen:
        logs.configure(level="INFO", party="garden", stream=terminal)
        note()
        with use(CALL):
            try:
                1 / 0  # noqa: B018 - for its error only
            except ZeroDivisionError:
                logging.getLogger("a.library").exception("it broke")
        text = ""
        while "ZeroDivisionError: " not in text:
            assert select.select([ours], [], [], 5)[0], text
            text += re.sub(r"\x1b\[[0-9;]*m", "", screen.read(65536).decode())
    first, second, *_ = text.splitlines()
    assert "200 GET /x 1.25 ms" in first
    assert "trace=cccccccc " in f"{first} "
    assert ("span" in first, "party" in first, "{" in first) == (False, False, False)
    assert "it broke" in second


def test_only_warnings_where_only_they_are_wanted(surroundings: dict[str, str], edge: Party):
    env = {**surroundings, "STRANGLER_LOG_LEVEL": "WARNING"}
    with Service("tests.strangler.fastapi.sample", env) as quiet:
        token = edge.token("garden GET")
        assert ask(quiet.url, "GET", "/api/garden/fault", headers={names.CONTEXT: token}).status
        assert [line["level"] for line in quiet.said()] == ["error"]
