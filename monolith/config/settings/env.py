"""The environment: where the project lies, whether this is development, and what is missing."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parents[3]
env = environ.Env()

VAR = Path(env.str("VAR", default=str(ROOT / "var")))
"""Where everything lives that this project makes by itself: database, keys, routing table."""

DEBUG = env.bool("DEBUG", default=True)

_missing: list[str] = []


def required(name: str, remedy: str, *, development: str = "") -> str:
    """The variable ``name``; in development ``development`` stands in for it."""
    value = env.str(name, default="").strip()
    if value:
        return value
    if not DEBUG:
        _missing.append(f"{name}: {remedy}")
    return development


def refuse_if_incomplete() -> None:
    """Name every variable that production needs and does not have.

    Raises:
        ImproperlyConfigured: there is at least one.
    """
    if _missing:
        found = "\n".join(f"  - {line}" for line in _missing)
        raise ImproperlyConfigured(
            f"DEBUG is off, and these environment variables are missing:\n{found}\n"
            "Set them, or set DEBUG=true to run in development."
        )


def kept_secret(path: Path) -> str:
    """The secret in this file, which only its owner may read; made on the first call.

    Two processes that start at once agree: whoever links the file first wins.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text().strip()
