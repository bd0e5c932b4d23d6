"""What is said when a command line can't be read."""

from __future__ import annotations

import re

from typer.exceptions import TyperException

from strangler.cli import render

_PLAIN = (
    (re.compile(r"^Value error, "), ""),
    (re.compile(r"^Input should be less than or equal to (\S+)$"), r"it is at most \1."),
    (re.compile(r"^Input should be greater than or equal to (\S+)$"), r"it is at least \1."),
    (re.compile(r"^Input should be a valid integer\b.*$"), "it is a whole number."),
)
"""How the option parser says it, and how a person would."""


def tell(error: TyperException, *, as_json: bool) -> int:
    """Say what is wrong with the command line; returns the exit code."""
    for pattern, plain in _PLAIN:
        error.message = pattern.sub(plain, error.message)
    show = getattr(error, "show", None)
    if as_json:
        render.dump({"error": "UsageError", "message": error.format_message()})
    elif show is not None:
        show()  # how the command is used, too
    else:
        render.complain(f"Error: {error.format_message()}")
    return error.exit_code
