"""Asking a service over HTTP: connections, certificates, and what a child process inherits."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.django.edge.proxy import Answered, Asked, Broken, NotSent, Upstream
from tests import certificates
from tests.strangler.django.faults import Faults, faults, hang, reply

GET = Asked("GET", "/weather/rome", [("host", "sky")])


@pytest.fixture
def service() -> Iterator[Faults]:
    with faults() as made:
        yield made


@contextlib.contextmanager
def upstream(*urls: str) -> Iterator[Upstream]:
    made = Upstream(urls, connections=4)
    try:
        yield made
    finally:
        made.close()


def ask(
    made: Upstream, asked: Asked = GET, *, seconds: float = 5.0, once: bool = False
) -> Answered:
    return made.ask(asked, deadline=time.monotonic() + seconds, once=once)


def test_a_path_below_a_base_is_kept_as_it_was(service: Faults) -> None:
    with upstream(f"{service.url}/sky/") as made:
        ask(made, Asked("GET", "/weather/%72ome?a=%20", []))
    assert service.seen[0].target == "/sky/weather/%72ome?a=%20"


def test_replicas_take_turns(service: Faults) -> None:
    with faults() as other, upstream(service.url, other.url) as made:
        for _ in range(6):
            ask(made)
        assert (service.hits, other.hits) == (3, 3)


def test_who_does_not_listen_was_not_sent_anything() -> None:
    with faults() as gone:
        pass
    with upstream(gone.url) as made, pytest.raises(NotSent):
        ask(made)
    with upstream() as made, pytest.raises(NotSent, match="no service"):
        ask(made)


def test_a_deadline_that_has_passed_is_late_and_asks_nobody(service: Faults) -> None:
    with upstream(service.url) as made, pytest.raises((Broken, NotSent)):
        ask(made, seconds=-1)
    assert service.hits == 0


def test_a_full_pool_is_not_waited_for_beyond_reason(service: Faults) -> None:
    service.behave = hang
    with upstream(service.url) as made:
        waiting = [threading.Thread(target=_ignored, args=(made,), daemon=True) for _ in range(4)]
        for thread in waiting:
            thread.start()
        until = time.monotonic() + 5
        while service.hits < 4:
            assert time.monotonic() < until
            time.sleep(0.01)
        began = time.monotonic()
        with pytest.raises(NotSent):
            ask(made, seconds=3)
        assert time.monotonic() - began < 2.5
        for thread in waiting:
            thread.join(10)


def _ignored(made: Upstream) -> None:
    with contextlib.suppress(Broken, NotSent):
        ask(made, seconds=2.5)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_makes_connections_of_its_own(service: Faults) -> None:
    with upstream(service.url) as made:
        ask(made)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            # Nothing here may raise into pytest, or run what it runs at exit.
            try:
                os.write(write, str(ask(made).status).encode())
            finally:
                os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        assert os.read(read, 10) == b"200"
        os.close(read)
        assert service.connections == 2
        ask(made)
        assert (service.connections, service.hits) == (2, 3)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """One that nobody has signed but itself."""
    return certificates.certificate(tmp_path, "localhost")


def test_a_certificate_is_looked_at(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer, contextlib.suppress(OSError), context.wrap_socket(peer, server_side=True) as tls:
            heard.append(tls.recv(100))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"https://localhost:{listener.getsockname()[1]}"
    with upstream(url) as made, pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
        ask(made)
    thread.join(5)
    listener.close()
    assert heard == []


def test_a_body_is_sent_with_its_length(service: Faults) -> None:
    service.behave = reply(200, {})
    with upstream(service.url) as made:
        ask(made, Asked("POST", "/", [], (b"in ", b"pieces"), 9), once=True)
        ask(made, Asked("POST", "/", []), once=True)
    assert [seen.body for seen in service.seen] == [b"in pieces", b""]
    assert [seen.header("Content-Length") for seen in service.seen] == ["9", "0"]
    assert service.connections == 2
