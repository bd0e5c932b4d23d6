"""Manifests for tests, and what is said about them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from strangler.manifest import ManifestErrors, Problem, parse

FILE = Path("capabilities.toml")
EDGE = {"monolith": '"http://127.0.0.1:8000"'}
REQUIRED = {
    "context": '"monolith.{name}"',
    "owner": '"team-{name}"',
    "contract": '"contracts.{name}:Port"',
    "service": '["http://127.0.0.1:8101"]',
    "routes": '["/api/{name}/"]',
}


def capability(name: str, keys: Mapping[str, str | None]) -> str:
    """The TOML of a capability, which has all it needs unless ``keys`` says otherwise."""
    lines = [f"[capability.{name}]"]
    lines += [f"{key} = {text}" for key, text in {**REQUIRED, **keys}.items() if text is not None]
    return "\n".join(lines).replace("{name}", name) + "\n"


def edge(keys: Mapping[str, str | None]) -> str:
    """The TOML of an edge."""
    lines = [f"{key} = {text}" for key, text in {**EDGE, **keys}.items() if text is not None]
    return "\n".join(["[edge]", *lines]) + "\n"


def problems(text: str, environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    """What is wrong with a manifest, which must be something."""
    with pytest.raises(ManifestErrors) as refused:
        parse(text, path=FILE, environ=environ or {})
    assert len(str(refused.value).splitlines()) == len(refused.value.problems)
    return refused.value.problems
