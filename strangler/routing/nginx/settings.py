"""What a compiled NGINX has to know beside the manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

RESOLVING = (1, 27, 3)
"""From this version on an upstream's names are resolved again while NGINX runs."""
LINGERING = (1, 27, 4)
"""From this version on a reload can leave kept connections open for a moment."""
KEEPING = (1, 29, 7)
"""From this version on NGINX keeps connections to whoever it asks, unless it is told not to."""
HTTP2 = (1, 25, 1)
"""From this version on HTTP/2 is switched on by a directive of its own."""


_ODD = re.compile(r"""[\s"';{}$\\]""")


class CannotCompile(ValueError):
    """The manifest says something that no NGINX can be told; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where NGINX runs, and which version of it."""

    table: str = "/table"
    """The folder of the routing table, as NGINX sees it."""
    listen: str = "127.0.0.1:8080"
    user: str | None = None
    """As whom NGINX answers, if it is started by root; None: as it was built to."""
    certificate: str | None = None
    """The file with the certificate, and those above it, of a site that is reached by TLS here."""
    certificate_key: str | None = None
    plain: str | None = None
    """Where NGINX listens for those who come without TLS, and are sent to the site that has it."""
    version: tuple[int, ...] = (1, 22, 1)
    """The NGINX that the files are for."""
    resolver: str | None = None
    """The name server by which names are resolved again while NGINX runs; None: at its start."""
    retired: frozenset[str] = frozenset()
    """The capabilities that go to their service whatever the table says, or if there is none."""
    credentials: tuple[str, ...] = field(default=("Authorization", "Cookie", "X-Api-Key"))
    """The headers by which the monolith may know a client: what it says is kept for all of them
    together, and no service sees any of them."""
    body: str = "64m"
    """How long a request's body may be on paths of no capability."""
    patience: int = 60
    """Seconds within which the monolith answers."""

    def __post_init__(self) -> None:
        if self.user is not None and not re.fullmatch(r"[a-z_][a-z0-9_-]*", self.user):
            raise CannotCompile(f"{self.user!r} is no user's name")
        for what, path in [
            ("table", self.table),
            ("certificate", self.certificate),
            ("certificate's key", self.certificate_key),
        ]:
            if path is not None and (not path.startswith("/") or _ODD.search(path)):
                raise CannotCompile(
                    f"the {what} is at {path!r}: name it by an absolute path without spaces, "
                    "quotes, braces or dollars"
                )
        if bool(self.certificate) != bool(self.certificate_key):
            raise CannotCompile("TLS needs a certificate and its key: name both files, or none")
        if self.plain and not self.certificate:
            raise CannotCompile(
                "whoever comes without TLS can't be sent on: there is no certificate here"
            )
