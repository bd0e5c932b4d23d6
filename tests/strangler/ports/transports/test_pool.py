"""The keep-alive pool: which connection a call takes, and over what."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from strangler.ladder import Arm
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.calling.remote import peer
from strangler.ports.calling.wire import Request
from strangler.ports.errors import (
    BadAnswer,
    ConnectionLost,
    Unreachable,
)
from strangler.ports.testing import placed
from strangler.ports.transports import http, httpx
from strangler.ports.transports.http import Http
from tests.strangler.django import faults as fault
from tests.strangler.django.faults import Faults, Gone, Seen, reply
from tests.strangler.ports.callers import SPADE, Ask, patient, surplus
from tests.strangler.ports.sample import Shop, Thing

pytestmark = pytest.mark.usefixtures("wired")

shop = bind(Shop)


class TestPool:
    def test_a_connection_is_used_again(self, service: Faults):
        for _ in range(5):
            shop.look("spade")
            shop.sell("spade")
        assert (service.hits, service.connections) == (10, 1)

    @pytest.mark.parametrize("header", ["Connection: close", "Connection: keep-alive, Close"])
    def test_not_if_the_callee_will_close_it(self, service: Faults, header: str):
        service.behave = reply(200, SPADE, header)
        for _ in range(3):
            shop.look("spade")
        assert service.connections == 3

    def test_not_after_a_failure(self, service: Faults):
        service.behave = surplus
        with pytest.raises(BadAnswer):
            shop.look("spade")
        service.behave = reply(200, SPADE)
        shop.look("spade")
        assert service.connections == 2

    def test_not_when_it_has_been_idle_for_long(
        self, service: Faults, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(http, "IDLE", 0.05)
        shop.look("spade")
        time.sleep(0.06)
        shop.look("spade")
        assert service.connections == 2

    def test_one_that_was_closed_meanwhile_is_replaced_even_for_commands(self, service: Faults):
        def answer_and_close(peer: socket.socket, seen: Seen) -> None:
            reply(200, SPADE)(peer, seen)
            raise Gone

        service.behave = answer_and_close
        for _ in range(3):
            shop.sell("spade")
            time.sleep(0.02)  # for the end of the connection to arrive
        assert (service.hits, service.connections) == (3, 3)

    def test_one_that_dies_under_our_hands_is_replaced_for_queries_only(
        self, service: Faults, monkeypatch: pytest.MonkeyPatch
    ):
        """The end of the connection comes when we have looked, and not yet sent."""
        monkeypatch.setattr(http, "_readable", lambda _connection: False)

        def answer_and_close(peer: socket.socket, seen: Seen) -> None:
            reply(200, SPADE)(peer, seen)
            raise Gone

        service.behave = answer_and_close
        for _ in range(3):
            shop.look("spade")
            time.sleep(0.02)
        assert service.hits == 3
        for method in (shop.sell, shop.put):
            with pytest.raises(ConnectionLost):
                method("spade")
            shop.look("spade")
            time.sleep(0.02)
        assert service.hits == 5

    def test_what_could_not_be_sent_whole_was_not_executed(
        self, service: Faults, monkeypatch: pytest.MonkeyPatch
    ):
        """The callee goes while a long request is on its way; the next connection gets it whole."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        went = []

        def accept() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            went.append(1)
            fault_reset(connection)

        def fault_reset(connection: socket.socket) -> None:
            with connection, pytest.raises(Gone):
                fault.reset(connection, Seen("", "", [], b""))

        thread = threading.Thread(target=accept)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        runtime.configure(urls=lambda _capability, _arm: (url, service.url))
        peer("shop", Arm.SERVICE)
        shop.sell("x" * 20_000_000)
        thread.join()
        listener.close()
        assert went == [1]
        assert service.hits == 1
        assert len(service.seen[0].body) > 20_000_000

    def test_idle_connections_are_bounded(self, service: Faults, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(http, "KEPT", 2)
        patient(attempts=1)
        barrier = threading.Barrier(5)

        def together(peer: socket.socket, seen: Seen) -> None:
            barrier.wait(5)
            reply(200, SPADE)(peer, seen)

        service.behave = together
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(shop.look, ["spade"] * 5))
        assert service.connections == 5
        assert len(peer("shop", Arm.SERVICE).http._replicas[0]._idle) == 2

    def test_threads_share_it_and_get_their_own_answers(self, service: Faults):
        def echo(peer: socket.socket, seen: Seen) -> None:
            name = msgspec.json.decode(seen.body)["name"]
            reply(200, {"name": name, "price": "1"})(peer, seen)

        service.behave = echo

        def many(thread: int) -> bool:
            names = [f"{thread}-{number}" for number in range(50)]
            return [shop.look(name).name for name in names] == names

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(many, range(8)))
        assert service.hits == 400
        assert service.connections <= 8

    @pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
    def test_a_child_process_has_connections_of_its_own(self, service: Faults):
        shop.look("parent")
        child = os.fork()
        if child == 0:
            try:
                shop.look("child")
                shop.look("child")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        shop.look("parent")
        assert (service.hits, service.connections) == (4, 2)

    def test_an_address_that_is_none_is_refused(self):
        for url in (
            "",
            "shop:80",
            "ftp://shop",
            "http://",
            "http://a b",
            "http://a/?q",
            "http://a\r\n",
        ):
            with pytest.raises(ValueError, match="base URL"):
                Http([url])
        with pytest.raises(ValueError, match="at least one"):
            Http([])

    @pytest.mark.parametrize(
        "smuggling",
        [
            {"headers": {"X-A": "b\r\nX-Evil: 1"}},
            {"headers": {"X-A": "b\nX-Evil: 1"}},
            {"path": "/ HTTP/1.1\r\nX-Evil: 1"},
            {"path": "/a b"},
            {"method": "GET / HTTP/1.1\r\n"},
        ],
    )
    def test_nothing_can_be_smuggled_into_the_head(
        self, service: Faults, smuggling: dict[str, Any]
    ):
        plain = Request("/", {}, b"", repeatable=True, deadline=time.monotonic() + 1)
        with pytest.raises(ValueError, match="can't hold"):
            Http([service.url]).exchange(plain._replace(**smuggling))
        assert service.connections == 0

    def test_a_base_url_may_have_a_path(self, service: Faults):
        runtime.configure(urls=lambda _capability, _arm: (f"{service.url}/behind/",))
        shop.look("spade")
        assert service.seen[0].target == "/behind/_strangler/ports/shop/look"
        assert service.seen[0].header("Host") == service.url.removeprefix("http://")


def self_signed(folder: Path) -> Path:
    """A key and a certificate for localhost that vouches for itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "localhost.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


class TestHttps:
    """The same over TLS; certificates are checked by the system's own rules."""

    @pytest.fixture
    def hits(self, wired: None, tmp_path: Path) -> Iterator[list[str]]:
        """What a service that speaks TLS has been asked."""
        certificate = self_signed(tmp_path)
        self.trusting = ssl.create_default_context(cafile=str(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        hits: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                hits.append(f"{self.client_address[1]}")
                body = msgspec.json.encode(SPADE)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_args: object) -> None:
                pass  # a caller that does not trust us goes

        server = Server(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"https://localhost:{server.server_address[1]}"
        runtime.configure(urls=lambda _capability, _arm: (url,))
        with placed("remote"):
            yield hits
        server.shutdown()
        thread.join()
        server.server_close()

    def test_a_trusted_callee_answers(
        self, ask: Ask, hits: list[str], monkeypatch: pytest.MonkeyPatch
    ):
        for module in (http, httpx):
            monkeypatch.setattr(module, "tls", lambda: self.trusting)
        for method in (shop.look, shop.sell):
            assert ask(method, "spade") == Thing("spade", Decimal("9.99"))
        assert len(hits) == 2

    def test_connections_are_kept(self, hits: list[str], monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(http, "tls", lambda: self.trusting)
        for _ in range(4):
            shop.look("spade")
        assert len(hits) == 4
        assert len(set(hits)) == 1

    def test_a_callee_that_nobody_vouches_for_is_not_reached(self, ask: Ask, hits: list[str]):
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            ask(shop.sell, "spade")
        assert hits == []
