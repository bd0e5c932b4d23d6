"""How a service comes and goes: real processes, real signals, real load."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from strangler.fastapi import logs
from strangler.fastapi.server import main
from strangler.ports import headers as names
from strangler.ports.trust.tokens import Use
from tests.strangler.fastapi.conftest import SAMPLE
from tests.strangler.fastapi.running import Party, Service, started
from tests.strangler.fastapi.sample import create

PATH = "/_strangler/ports/garden/look"
CALL = b'{"name":"tulip"}'


class Load:
    """Clients that ask one after the other until nobody listens any more; nobody retries."""

    def __init__(self, service: Service, token: str, *, clients: int, kept: bool) -> None:
        self.outcomes: Counter[str] = Counter()
        self.last = 0.0
        self._port = service.port
        self._headers = {names.CONTEXT: token}
        self._kept = kept
        self._threads = [threading.Thread(target=self._client) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while True:
            try:
                if connection.sock is None:
                    connection.connect()
            except OSError:  # nobody listens any more, so nothing has begun
                return
            try:
                connection.request("POST", PATH, CALL, self._headers)
                answer = connection.getresponse()
                answer.read()
                self.outcomes[str(answer.status)] += 1
                self.last = time.monotonic()
            except (OSError, http.client.HTTPException) as error:
                self.outcomes[repr(error)] += 1
                connection.close()
            if not self._kept:
                connection.close()


def wait_until(reached: Callable[[], bool]) -> None:
    limit = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("drain", "connections"), [(0.0, "pooled"), (0.0, "one each"), (0.8, "pooled")]
)
def test_whatever_has_begun_is_answered(
    surroundings: dict[str, str], keys: Path, drain: float, connections: str
):
    with Service(SAMPLE, {**surroundings, "STRANGLER_DRAIN": str(drain)}, cold=True) as service:
        token = Party(keys, "monolith", to="garden", url=service.url).token(
            "garden.look", use=Use.PORT
        )
        load = Load(service, token, clients=8, kept=connections == "pooled")
        wait_until(lambda: load.outcomes["200"] > 100)
        told = time.monotonic()
        service.signal(signal.SIGTERM)
        if drain:
            wait_until(lambda: service.get("/readyz").status == 503)
            answer = service.get("/readyz")
            assert answer.json()["missing"] == {"shutdown": "the process is stopping"}
            assert answer.headers["connection"] == "close"
            assert service.get("/healthz").status == 200
        assert service.gone() == 0
        load.join()
        assert load.outcomes.keys() == {"200"}
        assert load.last - told >= drain


def test_a_long_request_is_waited_for(surroundings: dict[str, str], keys: Path):
    with Service(SAMPLE, surroundings, cold=True) as service, ThreadPoolExecutor(1) as one:
        edge = Party(keys, "monolith", to="garden", url=service.url)
        asked = one.submit(edge.call, "wait", {"seconds": 1.6})
        time.sleep(0.2)
        service.signal(signal.SIGTERM)
        assert (asked.result().json(), service.gone()) == ("done", 0)


def test_a_second_signal_cuts_the_drain_short(surroundings: dict[str, str]):
    with Service(SAMPLE, {**surroundings, "STRANGLER_DRAIN": "60"}, cold=True) as service:
        service.signal(signal.SIGTERM)
        wait_until(lambda: service.get("/readyz").status == 503)
        assert service.runs()
        service.signal(signal.SIGTERM)
        assert service.gone(5) == 0


def test_one_more_signal_cuts_off_what_is_under_way(surroundings: dict[str, str], keys: Path):
    with Service(SAMPLE, surroundings, cold=True) as service, ThreadPoolExecutor(1) as one:
        edge = Party(keys, "monolith", to="garden", url=service.url)
        asked = one.submit(edge.call, "wait", {"seconds": 20})
        time.sleep(0.2)
        service.signal(signal.SIGTERM)
        time.sleep(0.3)
        assert service.runs()
        service.signal(signal.SIGTERM)
        assert service.gone(5) == 1
        # Nobody may say that it was not executed, for it was.
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = asked.result()
            assert (answer.status, names.EXECUTED.lower() in answer.headers) == (500, False)


def test_at_the_keyboard_nobody_waits_for_an_edge(surroundings: dict[str, str]):
    with Service(SAMPLE, {**surroundings, "STRANGLER_DRAIN": "60"}, cold=True) as service:
        service.signal(signal.SIGINT)
        assert service.gone(5) == 0
        assert "Traceback" not in (service.folder / "log").read_text()


def test_it_says_where_it_answers(garden: Service):
    events = [line["event"] for line in garden.said()]
    assert f"garden answers on {garden.url}" in events


def test_an_address_that_is_taken(surroundings: dict[str, str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = started(SAMPLE, "--port", port, **surroundings)
    assert done.returncode == 1
    reason = f"can't listen on 127.0.0.1, port {port}: Address already in use"
    assert done.stderr == f"{SAMPLE} can't start:\n{reason}\n"


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **env: str
) -> list[str]:
    """What is said when the service can't start in this environment."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", [SAMPLE])
    monkeypatch.setattr(logs, "configure", lambda **_: None)  # pytest's own are in place
    assert main(create, program=SAMPLE, port=0) == 1
    first, *others = capsys.readouterr().err.splitlines()
    assert first == f"{SAMPLE} can't start:"
    return others


def test_everything_that_is_wrong_with_the_environment(
    surroundings: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    wrong = {"STRANGLER_THREADS": "many", "STRANGLER_DRAIN": "-1", "STRANGLER_LOG_LEVEL": "LOUD"}
    lines = refused(monkeypatch, capsys, **{**surroundings, **wrong})
    assert [line.partition(":")[0] for line in lines] == [
        "STRANGLER_THREADS=many", "STRANGLER_DRAIN=-1", "STRANGLER_LOG_LEVEL=LOUD",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("STRANGLER_MANIFEST", "nowhere: "),
        ("STRANGLER_KEYS", "nowhere/garden.private.json: No such file or directory"),
    ],
)
def test_what_it_can_not_do_without(
    surroundings: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    said: str,
):
    (line,) = refused(monkeypatch, capsys, **{**surroundings, variable: "nowhere"})
    assert said in line
