"""The sandbox provider as a process: it fails as it is told to, and its books outlive it."""

from __future__ import annotations

import http.client
import json
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from contracts.money import Money
from monolith.payments.providers.embedded import EmbeddedProvider
from monolith.payments.providers.http import HttpProvider
from monolith.payments.sandbox import magic
from monolith.payments.sandbox.faults import Fault
from monolith.payments.sandbox.server import SandboxServer
from monolith.payments.signing import HEADER, verify
from monolith.payments.states import Standing
from strangler.ports.errors import BadAnswer, PortError
from tests.monolith.payments.serving import ROOT, SECRET, Provider, provider

TWELVE = Money(Decimal("12.00"), "EUR")
Heard = list[dict[str, Any]]


class Listener(ThreadingHTTPServer):
    """Hears webhooks; of each event it refuses the first ``refusals``."""

    def __init__(self, refusals: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Hearing)
        self.heard: Heard = []
        self.left = refusals
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hooks"


class _Hearing(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        verify([SECRET], self.headers[HEADER], body, now=time.time())
        self.server.left -= 1
        if self.server.left < 0:
            self.server.heard.append(json.loads(body))
        self.send_response(500 if self.server.left >= 0 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def listening(refusals: int = 0) -> Iterator[Listener]:
    with Listener(refusals) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield listener
        finally:
            listener.shutdown()
            thread.join()


def until(heard: Heard, number: int) -> None:
    limit = time.monotonic() + 60
    while len({event["id"] for event in heard}) < number:
        assert time.monotonic() < limit, heard
        time.sleep(0.02)


def kill_once_it_knows(sandbox: Provider, key: str) -> None:
    limit = time.monotonic() + 60
    while key not in sandbox.get("/books") and time.monotonic() < limit:
        time.sleep(0.02)
    sandbox.process.kill()


def test_its_books_outlive_it(tmp_path: Path):
    """Killed in the middle of an answer, and started again on the same books."""
    books, key = tmp_path / "books.sqlite3", uuid4()
    with listening() as listener:
        hook = ["--webhook", listener.url, "--secret", SECRET]
        with provider(books, *hook, "--fault", "late=1", "--seconds", "60") as first:
            with closing(HttpProvider(first.url)) as asked:
                killer = threading.Thread(target=kill_once_it_knows, args=(first, str(key)))
                killer.start()
                with pytest.raises(PortError):
                    asked.authorise(key, TWELVE, "card", customer="cleo")
                killer.join()
            assert first.process.wait(20) == -9
        with provider(books, *hook) as second, closing(HttpProvider(second.url)) as asked:
            found = asked.look_up(key)
            assert found is not None
            assert found.standing is Standing.AUTHORISED
            assert asked.authorise(key, TWELVE, "card", customer="cleo") == found
            assert asked.capture(key).standing is Standing.CAPTURED
            assert second.get("/books") == {
                str(key): {
                    "state": "captured", "currency": "EUR", "charged": "12.00", "refunded": "0",
                }
            }  # fmt: skip
            until(listener.heard, 2)
    told = {(event["type"], event["payment"]["version"]) for event in listener.heard}
    assert told == {("payment.authorised", 1), ("payment.captured", 2)}
    assert {event["payment"]["key"] for event in listener.heard} == {str(key)}


def test_webhooks_are_repeated_until_they_are_heard_and_worse_if_it_is_told_so(tmp_path: Path):
    with listening(refusals=2) as listener:
        hook = ["--webhook", listener.url, "--secret", SECRET, "--seed", "3"]
        chaos = ["--fault", "duplicate=0.5", "--fault", "reorder=0.5"]
        with (
            provider(tmp_path / "books.sqlite3", *hook, *chaos) as sandbox,
            closing(HttpProvider(sandbox.url)) as asked,
        ):
            for _ in range(6):
                asked.authorise(uuid4(), TWELVE, "card", customer="cleo")
            until(listener.heard, 6)
            assert sandbox.put("/faults", {"next": ["before"]})["next"] == ["before"]
            assert sandbox.get("/faults") == {"rates": {}, "next": ["before"], "seconds": 5.0}
        sent = [event["id"] for event in listener.heard]
    assert len(sent) > len(set(sent)) == 6


def test_a_method_may_be_magic(server: SandboxServer):
    with closing(HttpProvider(server.url)) as asked:
        told = asked.authorise(
            uuid4(), Money(Decimal("1000000.01"), "EUR"), "card", customer="cleo"
        )
        assert (told.standing, told.reason) == (Standing.DECLINED, "The amount is above the limit.")
        key = uuid4()
        with pytest.raises(PortError):
            asked.authorise(key, TWELVE, "sandbox-after", customer="cleo")
        assert (
            asked.authorise(key, TWELVE, "sandbox-after", customer="cleo").standing
            is Standing.AUTHORISED
        )


def test_a_method_may_be_one_customer_s_own(server: SandboxServer, tmp_path: Path):
    embedded = EmbeddedProvider(tmp_path / "books.sqlite3")
    with closing(HttpProvider(server.url)) as remote:
        for asked in (remote, embedded):
            key = uuid4()
            told = asked.authorise(key, TWELVE, "carl:visa", customer="cleo")
            assert (told.standing, told.reason) == (Standing.DECLINED, magic.NOT_THEIRS)
            assert asked.capture(key).standing is Standing.DECLINED
            for method, customer in (("cleo:visa", "cleo"), ("card", "carl"), ("card", "cleo")):
                told = asked.authorise(uuid4(), TWELVE, method, customer=customer)
                assert told.standing is Standing.AUTHORISED
            with pytest.raises(BadAnswer):
                asked.authorise(told.key, TWELVE, "card", customer="carl")


def test_older_books_do_not_say_whose_a_payment_is(tmp_path: Path):
    path, key = tmp_path / "books.sqlite3", uuid4()
    embedded = EmbeddedProvider(path)
    told = embedded.authorise(key, TWELVE, "card", customer="cleo")
    with closing(sqlite3.connect(path)) as books:
        books.execute("ALTER TABLE payments DROP COLUMN customer")

    embedded = EmbeddedProvider(path)
    assert embedded.authorise(key, TWELVE, "card", customer="cleo") == told
    assert embedded.capture(key).standing is Standing.CAPTURED


def ask(
    server: SandboxServer, method: str, path: str, body: Any = b"", **headers: str
) -> tuple[int, Any]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)) as one:
        one.request(
            method, path, content, {name.replace("_", "-"): headers[name] for name in headers}
        )
        answer = one.getresponse()
        said = answer.read()
        return answer.status, json.loads(said) if said else None


ASKED = {"amount": "12.00", "currency": "EUR", "method": "card", "customer": "cleo"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/healthz", b"", 204),
        ("GET", "/nothing", b"", 404),
        ("GET", "/payments", b"", 405),
        ("GET", "/payments/x", b"", 400),
        ("GET", "/payments/00000000-0000-0000-0000-000000000001", b"", 404),
        ("POST", "/payments/00000000-0000-0000-0000-000000000001", b"", 405),
        ("POST", "/payments", b"{", 400),
        ("POST", "/payments", ASKED | {"amount": "x"}, 400),
        ("POST", "/payments", ASKED | {"amount": "-1"}, 400),
        ("POST", "/payments", ASKED | {"amount": "NaN"}, 400),
        ("POST", "/payments", ASKED | {"amount": 12}, 400),
        ("POST", "/payments", ASKED | {"customer": None}, 400),
        ("POST", "/payments", [], 400),
        ("POST", "/payments", b"x" * 70_000, 413),
        ("PUT", "/books", {}, 404),
        ("PUT", "/faults", [], 400),
        ("PUT", "/faults", {"rates": {"late": 2}}, 400),
        ("PUT", "/faults", {"rates": {"early": 1}}, 400),
        ("PUT", "/faults", {"next": ["duplicate"]}, 400),
        ("PUT", "/faults", {"next": 1}, 400),
        ("PUT", "/faults", {"seconds": -1}, 400),
        ("PUT", "/faults", {"then": []}, 400),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(
    server: SandboxServer, method: str, path: str, body: Any, status: int
):
    answered, said = ask(server, method, path, body, Idempotency_Key=str(uuid4()))

    assert answered == status
    assert status == 204 or {"error", "message"} == set(said)


def test_a_payment_needs_a_key(server: SandboxServer):
    assert ask(server, "POST", "/payments", ASKED)[0] == 400


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--webhook", "http://127.0.0.1:1/"], "give a --secret"),
        (["--fault", "late=often"], "could not convert"),
        (["--fault", "early=1"], "early"),
        ([], "--books"),
    ],
)
def test_it_says_what_it_is_not_started_with(options: list[str], said: str, tmp_path: Path):
    books = ["--books", str(tmp_path / "books")] if options else []
    command = [sys.executable, "-m", "monolith.payments.sandbox", *options, *books]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert said in done.stderr


def test_it_starts_without_django():
    code = "import sys, monolith.payments.sandbox.__main__; print('django' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_the_reference_says_what_it_can_be_told():
    text = (ROOT / "docs" / "reference" / "settings.md").read_text()
    said = text.partition("## The sandbox provider\n")[2].partition("\n## ")[0]
    helped = subprocess.run(
        [sys.executable, "-m", "monolith.payments.sandbox", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    options, faults = re.findall(r"\n\| --- .*\n((?:\|.*\n)+)", said)
    named = re.findall(r"^\| `(--?\w+)` \|", options, re.MULTILINE)
    assert set(named) == set(re.findall(r"^  (--\w+)", helped, re.MULTILINE))
    assert re.findall(r"^\| `(\w+)` \|", faults, re.MULTILINE) == list(Fault)
    assert set(re.findall(r"`(sandbox-[a-z-]+)`", said)) == {
        *magic.DECLINED, *magic.LOST, *magic.FAULTS,
    }  # fmt: skip
