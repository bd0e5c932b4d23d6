"""The project for gunicorn, which notes each ``?n=NUMBER`` that it is asked with, and its begin."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from tests.assets.sky.notes import note
from tests.assets.sky.wsgi import application as _sky


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Django's own."""
    name, _, number = environ.get("QUERY_STRING", "").partition("=")
    if name == "n":
        size = environ.get("CONTENT_LENGTH") or "0"
        note("did", "monolith", environ["REQUEST_METHOD"], number, size)
    return _sky(environ, start_response)


note("began", str(os.getpid()))
