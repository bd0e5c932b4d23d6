"""The keys that access tokens are signed with.

``IDENTITY["KEYS"]`` is a JWK set with private keys, or the path of a file that holds one. The first
key signs; all of them are published, so that a token outlives the rotation of its key.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

ALGORITHM = "Ed25519"


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs, and what all signatures are checked with."""

    signing: OKPKey
    public: KeySet


def current() -> Keys:
    """The keys as they are now; a file is read again when it has changed.

    In development a missing file is made.

    Raises:
        ImproperlyConfigured: there are no usable keys.
    """
    configured = str(settings.IDENTITY["KEYS"])
    if configured.lstrip().startswith("{"):
        return _parse(configured, "IDENTITY_KEYS")
    path = Path(configured)
    try:
        return _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        if not settings.IDENTITY["MAKE_MISSING_KEYS"]:
            raise ImproperlyConfigured(
                f"no signing keys at {path}: `manage.py rotate_keys` makes the first, or let "
                "IDENTITY_KEYS name the right file"
            ) from None
    with _locked(path):
        if not path.exists():
            _write(path, [_generate()])
    return _read(path, path.stat().st_mtime_ns)


def rotate(path: Path, *, keep: int) -> str:
    """Let a new key sign from now on, and keep so many of the others; the new key's id."""
    key = _generate()
    with _locked(path):
        others = json.loads(path.read_text())["keys"] if path.exists() else []
        _write(path, [key, *others[:keep]])
    return str(key["kid"])


@functools.lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Keys:  # noqa: ARG001 -- when it changed is a part of the cache's key
    return _parse(path.read_text(), str(path))


@functools.lru_cache(maxsize=4)
def _parse(text: str, source: str) -> Keys:
    try:
        keys = [OKPKey.import_key(entry) for entry in json.loads(text)["keys"]]
        usable = bool(keys) and all(
            key.is_private and key.kid and key.curve_name == ALGORITHM for key in keys
        )
    except (ValueError, KeyError, TypeError, JoseError):
        usable = False
    if not usable:
        raise ImproperlyConfigured(
            f"{source} is not a JWK set of private {ALGORITHM} keys, each with a kid; "
            "`manage.py rotate_keys` makes one"
        )
    public = [OKPKey.import_key(key.as_dict(private=False)) for key in keys]
    return Keys(keys[0], KeySet(list(public)))


def _generate() -> dict[str, Any]:
    key = OKPKey.generate_key(ALGORITHM)
    return {
        **key.as_dict(private=True),
        "kid": key.thumbprint()[:16],
        "alg": ALGORITHM,
        "use": "sig",
    }


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time writes this file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, keys: list[dict[str, Any]]) -> None:
    """Replace the file at once, readable by its owner only."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump({"keys": keys}, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
