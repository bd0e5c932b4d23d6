"""Headers that protect browsers, on every answer that says nothing of it itself."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.routing.nginx.writing import block, variable

_PROTECTING = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
)


def inside_http() -> Iterator[str]:
    """The variables that say what is missing."""
    for name, value in _PROTECTING:
        yield block(
            f"map $upstream_{variable(name)} {_protection(name)}",
            ["volatile;", 'default "";', f'"" {value};'],
        )


def told() -> Iterator[str]:
    """What is added."""
    for name, _ in _PROTECTING:
        yield f"add_header {name} {_protection(name)} always;"


def _protection(name: str) -> str:
    return f"$strangler_says_{variable(name).removeprefix('http_')}"
