"""A mail server, and a program that is told by webhook: both real, and both can be awkward."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Postbox:
    """What came by mail.

    Attributes:
        refused: an address → the code with which it is refused.
        heard: called with each mail that was taken, before that is said.
        silent: each mail is taken, and then nothing is said.
    """

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    heard: Callable[[], None] = lambda: None
    silent: bool = False

    @property
    def ids(self) -> list[str]:
        """The id of each mail's notification."""
        return [str(mail["Message-ID"]).strip("<>").partition("@")[0] for mail in self.mails]


@contextmanager
def postbox() -> Iterator[Postbox]:
    """A mail server in a thread: as much of SMTP (RFC 5321) as a client needs."""
    box = Postbox()

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say(220, "postbox")
            while line := self.rfile.readline():
                verb, argument = line[:4].upper().decode(), line[4:].strip().decode()
                if verb == "RCPT" and (code := box.refused.get(argument[4:-1].lower())):
                    self.say(code, "not here")
                elif verb == "DATA":
                    self.say(354, "go on")
                    self.take()
                    if box.silent:
                        return
                    self.say(250, "taken")
                else:
                    self.say(221 if verb == "QUIT" else 250, "ok")
                if verb == "QUIT":
                    return

        def take(self) -> None:
            lines = []
            while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                lines.append(line.removeprefix(b"."))
            mail = message_from_bytes(b"".join(lines), policy=policy.default)
            assert isinstance(mail, EmailMessage)
            box.mails.append(mail)
            box.heard()

        def say(self, code: int, text: str) -> None:
            self.wfile.write(f"{code} {text}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Session) as server, _serving(server):
        box.port = server.server_address[1]
        yield box


@dataclass
class Program:
    """What a customer's program was told.

    Attributes:
        told: the headers and the body of each request.
        statuses: what it answers to the next ones; and then 204.
        stops: it takes the next ones, and does not answer.
    """

    url: str = ""
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    stops: int = 0


@contextmanager
def program() -> Iterator[Program]:
    """A customer's program, in a thread."""
    told = Program()

    class Told(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if told.stops:
                told.stops -= 1
                self.close_connection = True
                return
            self.send_response(told.statuses.pop(0) if told.statuses else 204)
            self.send_header("Location", told.url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - its name there

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Told) as server, _serving(server):
        told.url = f"http://127.0.0.1:{server.server_address[1]}/hook?for=cleo"
        yield told


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
