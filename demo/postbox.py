"""Everybody's mailbox: a mail server for whoever tells customers, and what has arrived there."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import Self

from strangler.ladder import Arm

CONFIRMED = re.compile(r"Your order ([0-9a-f-]{36}) is confirmed")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A mail. ``message`` is the same for each copy of it."""

    message: str
    subject: str
    arm: str = ""

    @property
    def confirmed(self) -> str:
        """The order of which it says that it is confirmed; none for any other mail."""
        found = CONFIRMED.fullmatch(self.subject)
        return found[1] if found else ""


class Postbox:
    """Takes mail from both arms, each at an address of its own, as long as its block runs."""

    def __init__(self) -> None:
        self._arrived: list[Arrived] = []
        self._servers: dict[str, socketserver.ThreadingTCPServer] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for arm in Arm:
                self._servers[arm] = stack.enter_context(_serving(self._session(str(arm))))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def url(self, arm: Arm) -> str:
        """Where this arm hands in its mail."""
        return f"smtp://127.0.0.1:{self._servers[arm].server_address[1]}"

    @property
    def arrived(self) -> list[Arrived]:
        """Every mail, in the order in which they came."""
        return [*self._arrived]

    def _session(self, arm: str) -> type[socketserver.StreamRequestHandler]:
        arrived = self._arrived

        class Session(socketserver.StreamRequestHandler):
            """As much of SMTP (RFC 5321) as a client needs."""

            def handle(self) -> None:
                with suppress(ConnectionError):  # whoever sends may be killed meanwhile
                    self.talk()

            def talk(self) -> None:
                self.say(220, "postbox")
                while line := self.rfile.readline():
                    verb = line[:4].upper()
                    if verb == b"DATA":
                        self.say(354, "go on")
                        self.take()
                    self.say(221 if verb == b"QUIT" else 250, "ok")
                    if verb == b"QUIT":
                        return

            def take(self) -> None:
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    if not line:
                        raise ConnectionResetError
                    lines.append(line.removeprefix(b"."))
                mail = message_from_bytes(b"".join(lines), policy=policy.default)
                arrived.append(Arrived(str(mail["Message-ID"]), str(mail["Subject"]), arm))

            def say(self, code: int, text: str) -> None:
                self.wfile.write(f"{code} {text}\r\n".encode())

        return Session


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def _serving(
    session: type[socketserver.StreamRequestHandler],
) -> Iterator[socketserver.ThreadingTCPServer]:
    with _Server(("127.0.0.1", 0), session) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True, name="postbox")
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
