"""What is read from NGINX's access log, as NGINX writes it."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strangler.agent import reading
from strangler.agent.reading import Answered, Log, read
from strangler.ladder import Arm
from strangler.routing.decide import Kind
from tests.strangler.django import faults
from tests.strangler.django.faults import Behave, Seen, reply
from tests.strangler.routing.edge.front import System, monolith, system

SERVICE, MONOLITH = Arm.SERVICE, Arm.MONOLITH
Opened = Callable[[Path], Log]
Said = tuple[Arm, Kind, bool, bool]
ELSEWHERE = reply(421, {}, "X-Strangler-Executed: no", "X-Strangler-Arm: service")
NO_TOKEN = monolith(token="")


def but_for_tokens(behave: Behave) -> Behave:
    """The monolith does this, and still says for whom the edge asks."""
    usual = monolith()

    def behaves(peer: socket.socket, seen: Seen) -> None:
        (usual if seen.target.startswith("/_strangler/") else behave)(peer, seen)

    return behaves


BY_SERVICE = but_for_tokens(
    reply(200, {}, "X-Strangler-Arm: service", "X-Strangler-Reason: carried")
)
AWAY = but_for_tokens(faults.close)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system(tmp_path_factory.mktemp("street"), timeout="200ms") as made:
        yield made


def logged(street: System, before: int) -> bytes:
    """The one line that is new."""
    path = street.front.folder / "access.json"
    until = time.monotonic() + 5
    while (text := path.read_bytes()).count(b"\n") <= before:
        assert time.monotonic() < until, "nothing is logged"
        time.sleep(0.005)
    (line,) = text.splitlines()[before:]
    return line


def lines(street: System) -> int:
    return (street.front.folder / "access.json").read_bytes().count(b"\n")


def said(answered: Answered | None) -> Said | None:
    if answered is None:
        return None
    assert answered.capability == "weather"
    assert 0 <= answered.seconds < 5
    assert abs(answered.began + answered.seconds - time.time()) < 60
    return answered.arm, answered.kind, answered.failed, answered.fallback


QUERY, COMMAND = Kind.QUERY, Kind.COMMAND


@pytest.mark.parametrize(
    ("inside", "asked", "home", "service", "expected"),
    [
        (1000, "GET /weather/rome", None, None, (SERVICE, QUERY, False, False)),
        (1000, "PUT /weather/rome", None, None, (SERVICE, COMMAND, False, False)),
        (1000, "POST /weather/search", None, None, (SERVICE, QUERY, False, False)),
        (1000, "GET /weather/rome", None, reply(404, {}), (SERVICE, QUERY, False, False)),
        (1000, "GET /weather/rome", None, reply(500, {}), (SERVICE, QUERY, True, False)),
        (1000, "GET /weather/rome", None, reply(503, {}), (SERVICE, QUERY, True, True)),
        (1000, "GET /weather/rome", None, faults.close, (SERVICE, QUERY, True, True)),
        (1000, "GET /weather/rome", None, faults.hang, (SERVICE, QUERY, True, True)),
        (1000, "PUT /weather/rome", None, faults.close, (SERVICE, COMMAND, True, False)),
        (1000, "PUT /weather/rome", None, faults.hang, (SERVICE, COMMAND, True, False)),
        (1000, "PUT /weather/rome", None, reply(503, {}), (SERVICE, COMMAND, True, False)),
        (1000, "PUT /weather/rome", None, ELSEWHERE, (MONOLITH, COMMAND, False, False)),
        (1000, "PUT /weather/rome", BY_SERVICE, ELSEWHERE, (SERVICE, COMMAND, False, False)),
        (1000, "GET /weather/rome", NO_TOKEN, None, None),
        (1000, "GET /weather/rome", reply(403, {}), None, None),
        (1000, "GET /weather/rome", AWAY, faults.close, (SERVICE, QUERY, True, True)),
        (1000, "GET /weather/rome", faults.close, None, (MONOLITH, QUERY, True, False)),
        (1000, "PUT /weather/rome", faults.close, None, (MONOLITH, COMMAND, True, False)),
        (0, "GET /weather/rome", None, None, (MONOLITH, QUERY, False, False)),
        (0, "PUT /weather/rome", None, None, (MONOLITH, COMMAND, False, False)),
        (0, "GET /weather/rome", reply(500, {}), None, (MONOLITH, QUERY, True, False)),
        (0, "GET /weather/rome", faults.close, None, (MONOLITH, QUERY, True, False)),
        (0, "PUT /weather/rome", faults.close, None, (MONOLITH, COMMAND, True, False)),
        (1000, "GET /weather//rome", None, None, None),
        (1000, "GET /weather/%ff", None, None, None),
        (1000, "BREW /weather/rome", None, None, None),
        (1000, "GET /about", None, None, None),
        (1000, "GET /about", reply(500, {}), None, None),
        (1000, "GET /_strangler/agents/follow", None, None, None),
    ],
)
def test_each_kind_of_line(
    street: System,
    *,
    inside: int,
    asked: str,
    home: Behave | None,
    service: Behave | None,
    expected: Said | None,
) -> None:
    street.reset()
    street.stand(inside)
    street.monolith.behave = home or street.monolith.behave
    street.service.behave = service or street.service.behave
    before = lines(street)
    method, target = asked.split()
    # A token is kept for seconds: each client of its own.
    street.ask(method, target, {"Authorization": f"x{before}"})
    assert said(read(logged(street, before))) == expected, logged(street, before)


def test_a_client_that_leaves_is_nobody_s_failure(street: System) -> None:
    street.reset()
    street.stand(0)
    street.monolith.behave = faults.hang
    before = lines(street)
    with socket.create_connection(("127.0.0.1", street.front.port), 5) as client:
        client.sendall(b"GET /weather/rome HTTP/1.1\r\nHost: testserver\r\n\r\n")
        while not street.monolith.seen:
            time.sleep(0.005)
    line = logged(street, before)
    assert json.loads(line)["status"] == 499
    assert read(line) is None


def test_a_retired_capability_has_no_monolith_to_answer_for_it(tmp_path: Path) -> None:
    with system(tmp_path, retired=frozenset({"weather"})) as street:
        street.service.behave = reply(503, {})
        assert street.ask("GET", "/weather/rome").status == 503
        assert said(read(logged(street, 0))) == (SERVICE, QUERY, True, False)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"127.0.0.1 - - [21/Nov/2026] GET /",
        b'{"at": "x"}',
        b'{"at": 1, "status": 000}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_line_of_this_log_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(line)


class TestLog:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "access.json"

    @pytest.fixture
    def opened(self) -> Iterator[Opened]:
        logs: list[Log] = []

        def make(path: Path) -> Log:
            logs.append(Log(path))
            return logs[-1]

        yield make
        for log in logs:
            log.close()

    @staticmethod
    def write(path: Path, text: str) -> None:
        with path.open("a") as file:
            file.write(text)

    def test_what_was_there_before_is_no_news(self, path: Path, opened: Opened) -> None:
        self.write(path, "old\n")
        log = opened(path)
        self.write(path, "new\n")
        assert list(log.lines()) == [b"new"]
        assert list(log.lines()) == []

    def test_what_comes_before_the_first_look_is_read(self, path: Path, opened: Opened) -> None:
        log = opened(path)
        assert list(log.lines()) == []
        self.write(path, "one\ntwo\n")
        assert list(log.lines()) == [b"one", b"two"]

    def test_half_a_line_waits_for_its_end(self, path: Path, opened: Opened) -> None:
        log = opened(path)
        self.write(path, "one\ntw")
        assert list(log.lines()) == [b"one"]
        self.write(path, "o")
        assert list(log.lines()) == []
        self.write(path, "\nthree\n")
        assert list(log.lines()) == [b"two", b"three"]

    def test_many_lines(self, path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "_PIECE", 7)
        log = opened(path)
        self.write(path, "".join(f"line {number}\n" for number in range(100)))
        assert list(log.lines()) == [f"line {number}".encode() for number in range(100)]

    def test_a_file_that_was_emptied_begins_anew(self, path: Path, opened: Opened) -> None:
        log = opened(path)
        self.write(path, "one\ntwo\nand a half")
        assert len(list(log.lines())) == 2
        os.truncate(path, 0)
        self.write(path, "three\n")
        assert list(log.lines()) == [b"three"]

    def test_nothing_is_lost_when_it_is_put_away(self, path: Path, opened: Opened) -> None:
        log = opened(path)
        self.write(path, "one\n")
        seen = list(log.lines())
        with path.open("a") as slow:
            path.rename(path.with_suffix(".old"))
            self.write(path.with_suffix(".old"), "two\n")
            seen += log.lines()
            self.write(path, "four\n")
            seen += log.lines()
            # A worker which hears of it late writes what it has gathered where it always did.
            slow.write("three\n")
        seen += log.lines()
        seen += log.lines()
        assert seen == [b"one", b"two", b"three", b"four"]

    def test_a_real_nginx_begins_anew_and_loses_no_line(
        self, street: System, opened: Opened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        street.reset()
        street.stand(0)
        path = street.front.folder / "access.json"
        log, size = opened(path), path.stat().st_size
        monkeypatch.setattr(reading, "LARGEST", size + 3000)
        pid = int((street.front.folder / "nginx.pid").read_text())
        reopened: list[int] = []

        def reopen() -> None:
            os.kill(pid, signal.SIGUSR1)
            reopened.append(pid)

        paths: list[Any] = []
        asked, until = 0, time.monotonic() + 10
        while asked < 60 or not reopened:
            assert time.monotonic() < until, "it never grew so large"
            street.ask("GET", f"/weather/{asked}")
            asked += 1
            log.rotate(reopen)
            paths += log.lines()
        while len(paths) < asked and time.monotonic() < until:
            time.sleep(0.02)
            paths += log.lines()
        assert [json.loads(one)["path"] for one in paths] == [f"/weather/{n}" for n in range(asked)]
        assert path.with_name("access.json.1").exists()
