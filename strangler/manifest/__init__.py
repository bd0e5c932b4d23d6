"""``capabilities.toml``: what each capability is. On which rung it stands is state, and not here."""

from __future__ import annotations

from strangler.manifest.model import (
    Breaker,
    Capability,
    Edge,
    Manifest,
    ManifestErrors,
    Placement,
    Problem,
    Resilience,
    Rollout,
    Shadow,
)

__all__ = [
    "Breaker",
    "Capability",
    "Edge",
    "Manifest",
    "ManifestErrors",
    "Placement",
    "Problem",
    "Resilience",
    "Rollout",
    "Shadow",
]
