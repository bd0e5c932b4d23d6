"""Writing NGINX's configuration language."""

from __future__ import annotations

import string
import textwrap
from collections.abc import Iterable

MADE = (
    "# Made by `strangler compile nginx` from the manifest. Whatever is changed here will be lost."
)


class Text(string.Template):
    """A piece of configuration with ``%{name}`` to fill in: dollars and braces are NGINX's own."""

    delimiter = "%"

    def __init__(self, template: str) -> None:
        super().__init__(textwrap.dedent(template).strip("\n"))

    def filled(self, **pieces: object) -> str:
        """With these filled in; a line that has nothing but one that is empty is left out."""
        empty = {f"%{{{name}}}" for name, piece in pieces.items() if piece == ""}
        lines = [line for line in self.template.splitlines() if line.strip() not in empty]
        return string.Template.substitute(Text("\n".join(lines)), pieces)


def plain(text: str) -> str:
    """A piece of configuration with nothing to fill in."""
    return textwrap.dedent(text).strip("\n")


def quoted(text: str) -> str:
    """A text as one parameter; what is in it is not to be read as anything else."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def literal(segment: str) -> str:
    """A segment of a path within a regular expression."""
    return "".join(map(_letter, segment))


def _letter(one: str) -> str:
    if one == ".":
        return "[.]"
    if one.isalnum() or one in "_-" or not one.isascii():
        return one
    return f"\\x{ord(one):02x}"


def block(head: str, lines: Iterable[str]) -> str:
    """``head { … }``, a line each."""
    inner = textwrap.indent("\n".join(lines), "    ", lambda line: bool(line.strip()))
    return f"{head} {{\n{inner}\n}}"


def file(about: str, *pieces: str) -> str:
    """A whole file: where it comes from, what it is about, and then its pieces."""
    wrapped = textwrap.fill(
        about, 98, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )
    text = "\n\n".join([f"{MADE}\n#\n{wrapped}", *(piece for piece in pieces if piece)])
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def said(status: int, error: str, message: str) -> str:
    """A problem in the one shape that every face has. ``message`` may have variables of NGINX's."""
    shape = f'{{"error": "{error}", "message": "{message}", "detail": {{}}}}'
    return f"return {status} '{shape}';"


def variable(header: str) -> str:
    """The name of NGINX's variable for a header of the request."""
    return f"http_{header.lower().replace('-', '_')}"
