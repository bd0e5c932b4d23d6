"""The keys by which kit parties know one another: one Ed25519 pair for each party.

A folder of JSON Web Keys: ``<party>.private.json`` (mode 600) for whoever signs, and
``<party>.public.json`` for everybody who checks. A deployment gives each process its own private
key, and all public ones.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

_PARTY = re.compile(r"[a-z][a-z0-9_-]*")
_PUBLIC = ".public.json"
_PRIVATE = ".private.json"


class KeysUnusable(ValueError):
    """A key that is needed is missing, or is no key; says which file, and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Keyring:
    """One party's own key, and everybody's public ones by party."""

    party: str
    own: OKPKey
    parties: Mapping[str, OKPKey]

    @classmethod
    def load(cls, folder: Path | str, party: str) -> Keyring:
        """Read this party's private key and every public key in the folder.

        Raises:
            KeysUnusable: a file is missing, unreadable, or holds no Ed25519 key.
        """
        folder = Path(folder)
        own = _read(folder / f"{party}{_PRIVATE}", private=True)
        parties = {
            path.name.removesuffix(_PUBLIC): _read(path, private=False)
            for path in sorted(folder.glob(f"*{_PUBLIC}"))
        }
        known = parties.get(party)
        if known is None or known.thumbprint() != own.thumbprint():
            raise KeysUnusable(
                f"{folder / (party + _PUBLIC)} is not the public half of {party}{_PRIVATE}: "
                "remove both and generate the pair again"
            )
        return cls(party, own, parties)


def generate(folder: Path | str, party: str) -> None:
    """Make a pair of keys for this party; a pair that is there is left alone.

    Raises:
        ValueError: the party's name can't be a file's name.
    """
    if not _PARTY.fullmatch(party):
        raise ValueError(f"a party is named by lower case letters, digits, _ and -, not {party!r}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / f"{party}{_PRIVATE}", folder / f"{party}{_PUBLIC}"
    if private.exists() and public.exists():
        return
    key = OKPKey.generate_key("Ed25519")
    _write(private, key.as_dict(private=True), 0o600)
    _write(public, key.as_dict(private=False), 0o644)


def _write(path: Path, value: dict[str, Any], mode: int) -> None:
    """Put the whole file there at once, never readable by more than ``mode`` says."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.write("\n")
    draft.replace(path)


def _read(path: Path, *, private: bool) -> OKPKey:
    remedy = "make it with strangler.ports.keys.generate, or copy it from where it was made"
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
