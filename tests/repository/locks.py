"""The lock files, read: what each pins, and what an environment made from one can import."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = ("catalog", "demo", "dev", "edge", "inventory", "monolith", "notifications", "pricing")

_PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ]+)( ; (?P<marker>[^\\]+))? \\$")
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def normal(name: str) -> str:
    """A distribution's name, as lock files spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def lines(lock: str) -> tuple[str, ...]:
    """The lines of requirements/<lock>.txt."""
    return tuple((ROOT / "requirements" / f"{lock}.txt").read_text().splitlines())


@cache
def pins(lock: str) -> dict[str, str]:
    """What requirements/<lock>.txt pins: version by name.

    Raises:
        ValueError: a line is neither a pin nor a hash, or a pin has no hash.
    """
    found: dict[str, str] = {}
    hashes = 1
    for line in lines(lock):
        if pin := _PIN.match(line):
            if not hashes:
                raise ValueError(f"requirements/{lock}.txt: no hash before {line}")
            hashes = 0
            found[pin["name"]] = pin["version"]
        elif _HASH.match(line):
            hashes += 1
        else:
            raise ValueError(f"requirements/{lock}.txt: {line!r} is no pin and no hash")
    if not hashes:
        raise ValueError(f"requirements/{lock}.txt: the last pin has no hash")
    return found


def direct(*, extras: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> set[str]:
    """The names that pyproject.toml asks for itself, with these extras and groups."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = list(document["project"]["dependencies"])
    for extra in extras:
        wanted += document["project"]["optional-dependencies"][extra]
    names: set[str] = set()
    for group in groups:
        for entry in document["dependency-groups"][group]:
            if isinstance(entry, str):
                wanted.append(entry)
            else:
                names |= direct(groups=(entry["include-group"],))
    for requirement in wanted:
        found = re.match(r"(?P<name>[A-Za-z0-9._-]+)(\[(?P<extras>[^\]]+)\])?", requirement)
        assert found is not None, requirement
        if found["name"] == document["project"]["name"]:
            names |= direct(extras=tuple(found["extras"].split(",")))
        else:
            names.add(normal(found["name"]))
    return names


def absent(lock: str) -> set[str]:
    """Top-level modules that are installed here, and would not be from requirements/<lock>.txt."""
    pinned = pins(lock)
    return {
        module
        for module, distributions in packages_distributions().items()
        if not any(normal(name) in pinned for name in distributions)
    }
