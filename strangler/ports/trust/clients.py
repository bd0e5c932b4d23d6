"""The clients that capabilities know by a key: a file among the keys, without a single key in it.

A key is ``NAME.ID.SECRET``, 256 random bits after a name and a number that are no secrets. What is
kept of it is a digest, which is all that an edge needs. It is MD5, the only one that an NGINX as it
comes can make: its weakness is that two texts with the same digest can be made, and whoever has a
key need not; from a digest back to 256 random bits there is no way.
"""

from __future__ import annotations

import os
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from fcntl import LOCK_EX, flock
from hashlib import md5
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

FILE = "clients.json"
NAME = r"[a-z0-9][a-z0-9-]{0,39}"


class ClientsUnusable(Exception):
    """The file of clients can't be read, or is none; says what to do."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a client, which may have several."""

    client: Annotated[str, Meta(pattern=rf"^{NAME}\Z")]
    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}\Z")]
    digest: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}\Z")]
    capabilities: tuple[str, ...] = ()
    """Those that it opens; none for all of them."""
    made: str = ""

    @property
    def known(self) -> str:
        """By what it is known: no secret."""
        return f"{self.client}.{self.id}"


def read(folder: Path) -> tuple[Key, ...]:
    """Every key that holds; none where there is no such file.

    Raises:
        ClientsUnusable: it can't be read, or is none of this kit's.
    """
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[Key, ...])
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ClientsUnusable(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ClientsUnusable(f"{path}: {error}; take it from where it was written") from error


def add(folder: Path, client: str, capabilities: Sequence[str] = ()) -> tuple[Key, str]:
    """Make a client's key, beside those that it has; what the client is to send is told only now.

    Raises:
        ValueError: nobody can be called so.
        ClientsUnusable: the file can't be read, or written.
    """
    if not re.fullmatch(NAME, client):
        raise ValueError(f"{client!r} is no name: write a-z, 0-9 and -, at most 40")
    text = f"{client}.{secrets.token_hex(4)}.{secrets.token_urlsafe(32)}"
    made = Key(
        client=client,
        id=text.split(".")[1],
        digest=digest(text),
        capabilities=tuple(capabilities),
        made=datetime.now(UTC).date().isoformat(),
    )
    with _alone(folder):
        _write(folder, (*read(folder), made))
    return made, text


def revoke(folder: Path, name: str) -> tuple[Key, ...]:
    """Let a client's keys, or one of them by ``NAME.ID``, hold no more; which they were.

    Raises:
        ClientsUnusable: the file can't be read, or written.
    """
    if not read(folder):
        return ()
    with _alone(folder):
        there = read(folder)
        gone = tuple(one for one in there if name in {one.client, one.known})
        if gone:
            _write(folder, tuple(one for one in there if one not in gone))
        return gone


def digest(key: str) -> str:
    """What is kept of a key."""
    made = md5(key.encode(), usedforsecurity=False).digest()  # of 256 random bits: see above
    return urlsafe_b64encode(made).rstrip(b"=").decode()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else changes the file meanwhile: what was revoked would hold again."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ClientsUnusable(f"{folder}: {error.strerror}") from error
    try:
        flock(descriptor, LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(folder: Path, keys: Sequence[Key]) -> None:
    draft = folder / f".{FILE}.{secrets.token_hex(4)}"
    lines = ",\n".join(msgspec.json.encode(one).decode() for one in keys)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"[\n{lines}\n]\n")
        draft.replace(folder / FILE)
    except OSError as error:
        raise ClientsUnusable(f"{folder / FILE}: {error.strerror}") from error
