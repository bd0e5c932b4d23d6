"""The keys by which kit parties know one another: one Ed25519 pair for each party.

A folder of JSON Web Keys: ``<party>.private.json`` (mode 600) for whoever signs, and
``<party>.public.json`` for everybody who checks. A deployment gives each process its own private
key, and all public ones. A process reads its own key once; public keys that come, change or go
while it runs are noticed within a second or so.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from strangler.ports import forks

LOOK = 1.0
"""Seconds at least between two looks into the folder, for public keys that come, change or go."""
_PARTY = re.compile(r"[a-z][a-z0-9_-]*")
_PUBLIC = ".public.json"
_PRIVATE = ".private.json"

_log = logging.getLogger("strangler.ports")

_Mark = tuple[int, int, int]
"""What is different about a file once it has been written anew."""


class KeysUnusable(ValueError):
    """A key that is needed is missing, or is no key; says which file, and what to do."""


class Keyring:
    """One party's own key, and everybody's public ones by party. Safe for threads and forks.

    Args:
        party: who this is.
        own: the private key it signs with, for as long as the process lives.
        parties: the public keys.
        folder: where public keys are looked for again as the process goes on; None: nowhere.
    """

    def __init__(
        self,
        party: str,
        own: OKPKey,
        parties: Mapping[str, OKPKey],
        *,
        folder: Path | None = None,
    ) -> None:
        self.party = party
        self.own = own
        self._parties = parties
        self._folder = folder
        self._marks: dict[str, _Mark] = {}
        self._due = time.monotonic() + LOOK
        self.after_fork()
        forks.watch(self)

    @classmethod
    def load(cls, folder: Path | str, party: str) -> Keyring:
        """Read this party's private key and every public key in the folder.

        Raises:
            KeysUnusable: a file is missing, unreadable, or holds no Ed25519 key.
        """
        folder = Path(folder)
        own = _read(folder / f"{party}{_PRIVATE}", private=True)
        try:
            marks = _public(folder)
        except OSError as error:
            raise KeysUnusable(f"{folder}: {error.strerror}; let this process list it") from error
        parties = {name: _read(_path(folder, name), private=False) for name in marks}
        known = parties.get(party)
        if known is None or known.thumbprint() != own.thumbprint():
            raise KeysUnusable(
                f"{folder / (party + _PUBLIC)} is not the public half of {party}{_PRIVATE}: "
                f"remove both, and make the pair again: strangler keys {party}"
            )
        keyring = cls(party, own, parties, folder=folder)
        keyring._marks = marks
        return keyring

    def after_fork(self) -> None:
        """A lock of the child's own."""
        self._lock = threading.Lock()

    @property
    def parties(self) -> Mapping[str, OKPKey]:
        """Everybody's public keys, as they were when the folder was last looked into."""
        return self._parties

    def public(self, party: str) -> OKPKey | None:
        """The public key of a party, None if it has none here.

        About a second after a file came, changed or went, this says so. A name is only ever looked
        for among the files that are there: none can lead out of the folder.
        """
        if time.monotonic() >= self._due and self._folder is not None:
            self._look(self._folder)
        return self._parties.get(party)

    def _look(self, folder: Path) -> None:
        with self._lock:
            now = time.monotonic()
            if now < self._due:
                return
            self._due = now + LOOK
            try:
                marks = _public(folder)
            except OSError as error:
                _log.warning("the keys stay as they are: %s: %s", folder, error.strerror)
                return
            if marks == self._marks:
                return
            parties = {}
            for name, mark in marks.items():
                known = self._parties.get(name)
                if known is None or mark != self._marks.get(name):
                    try:
                        known = _read(_path(folder, name), private=False)
                    except KeysUnusable as error:
                        _log.warning("nobody is known by this key: %s", error)
                        continue
                parties[name] = known
            self._parties, self._marks = parties, marks


def generate(folder: Path | str, party: str) -> bool:
    """Make a pair of keys for this party; a pair that is there is left alone: then False.

    Raises:
        ValueError: the party's name can't be a file's name.
    """
    if not _PARTY.fullmatch(party):
        raise ValueError(f"a party is named by lower case letters, digits, _ and -, not {party!r}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / f"{party}{_PRIVATE}", folder / f"{party}{_PUBLIC}"
    if private.exists() and public.exists():
        return False
    key = OKPKey.generate_key("Ed25519")
    _write(private, key.as_dict(private=True), 0o600)
    _write(public, key.as_dict(private=False), 0o644)
    return True


def _public(folder: Path) -> dict[str, _Mark]:
    """Whose public keys are there, by what changes with each of them.

    Raises:
        OSError: the folder can't be read.
    """
    found = {}
    for file in sorted(folder.iterdir()):
        party = file.name.removesuffix(_PUBLIC)
        if file.name.endswith(_PUBLIC) and _PARTY.fullmatch(party):
            try:
                state = file.stat()
            except FileNotFoundError:
                continue  # It has gone meanwhile.
            found[party] = (state.st_mtime_ns, state.st_ino, state.st_size)
    return found


def _path(folder: Path, party: str) -> Path:
    return folder / f"{party}{_PUBLIC}"


def _write(path: Path, value: dict[str, Any], mode: int) -> None:
    """Put the whole file there at once, never readable by more than ``mode`` says."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.write("\n")
    draft.replace(path)


def _read(path: Path, *, private: bool) -> OKPKey:
    party = path.name.partition(".")[0]
    remedy = f"make it: strangler keys {party}. Or copy it from where it was made"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        key = OKPKey.import_key(value)
    except OSError as error:
        raise KeysUnusable(f"{path}: {error.strerror}; {remedy}") from error
    except (ValueError, TypeError, KeyError, JoseError) as error:
        raise KeysUnusable(f"{path} holds no JSON Web Key ({error}); {remedy}") from error
    if key.curve_name != "Ed25519" or key.is_private is not private:
        wanted = "private" if private else "public"
        raise KeysUnusable(f"{path} holds no {wanted} Ed25519 key; {remedy}")
    return key
