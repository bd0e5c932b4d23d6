"""The demo's own copy of the manifest: the shop's, with thresholds that fit into a minute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.processes import ROOT

CLIMBERS = ("pricing", "catalog", "notifications", "inventory")
"""The capabilities that climb, in this order; all but the first take their tables along."""

THRESHOLDS = {
    "resilience": {"breaker": '{ failures = 5, reset = "1s" }'},
    "shadow": {
        "sample": "1.0",
        "min_comparisons": "60",
        "min_per_route": "20",
        "min_rehearsals": "5",
    },
    "rollout": {"steps": "[5, 25, 50]", "min_requests": "8", "soak": '"1.5s"'},
}
"""What the gates of the demo want; a shop of your own would ask for more."""
OWN = {"notifications": {"shadow": {"min_rehearsals": "0"}}}
"""What they want of one capability alone: what only events command is not rehearsed."""

FOLDER = ROOT / "var" / "demo"
"""Where the film leaves what it makes, unless ``DEMO_FOLDER`` says otherwise."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the film is made of; ``stay`` keeps everything running at its end."""

    stay: bool
    folder: Path = FOLDER
    database: str = "sqlite"
    edge: str = "middleware"
    bus: str = "http"
    rate: float = 50.0
    visitors: int = 500
    workers: int = 8
    products: int = 120
    customers: int = 8


def write_manifest(settings: Settings, *, monolith: str, services: Mapping[str, str]) -> Path:
    """Write the manifest of the demo, and say where.

    Raises:
        ValueError: the shop's manifest does not look as it did when this was written.
    """
    text = (ROOT / "router" / "capabilities.toml").read_text()
    text = _replaced(text, r'^monolith = ".*"$', f'monolith = "{monolith}"')
    for name, url in services.items():
        text = _climbing(text, name, url)
    path = settings.folder / "capabilities.toml"
    path.write_text(text)
    return path


def _climbing(text: str, name: str, url: str) -> str:
    head, found, rest = text.partition(f"[capability.{name}]\n")
    if not found:
        raise ValueError(f"router/capabilities.toml has no [capability.{name}]")
    rest = _replaced(rest, r"^service +=.*$", f'service = ["{url}"]')
    for section in THRESHOLDS:
        pattern = rf"^\[capability\.{name}\.{section}\]\n(?:[^\[\n].*\n|\n)*"
        rest = re.sub(pattern, "", rest, count=1, flags=re.MULTILINE)
    own = "\n".join(
        f"[capability.{name}.{section}]\n"
        + "".join(
            f"{key} = {value}\n"
            for key, value in (values | OWN.get(name, {}).get(section, {})).items()
        )
        for section, values in THRESHOLDS.items()
    )
    return f"{head}{found}{rest}\n{own}"


def _replaced(text: str, pattern: str, replacement: str) -> str:
    new, count = re.subn(pattern, replacement, text, count=1, flags=re.MULTILINE)
    if not count:
        raise ValueError(f"router/capabilities.toml has no line like {pattern}")
    return new


def wrong_rules(settings: Settings) -> Path:
    """The service's rules with one deliberate mistake: Germany is taxed at 16 %, not at 19."""
    rules = (ROOT / "extracted" / "pricing" / "rules.toml").read_text()
    path = settings.folder / "wrong-rules.toml"
    path.write_text(_replaced(rules, r"^\[countries\.DE\]\ntax = 19$", "[countries.DE]\ntax = 16"))
    return path
