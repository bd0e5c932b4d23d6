"""``capabilities.toml``: what each capability is. Its rung is state, and is not here."""

from __future__ import annotations

from strangler.manifest.model import (
    BODY,
    HTTP,
    Breaker,
    Capability,
    Edge,
    Events,
    Gateway,
    Manifest,
    ManifestErrors,
    Placement,
    Problem,
    Resilience,
    Rollout,
    Shadow,
)
from strangler.manifest.read import load, parse

__all__ = [
    "BODY",
    "HTTP",
    "Breaker",
    "Capability",
    "Edge",
    "Events",
    "Gateway",
    "Manifest",
    "ManifestErrors",
    "Placement",
    "Problem",
    "Resilience",
    "Rollout",
    "Shadow",
    "load",
    "parse",
]
