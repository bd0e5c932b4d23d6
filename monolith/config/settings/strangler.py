"""The kit: which capabilities there are, and where its routing table and keys lie."""

from __future__ import annotations

from monolith.config.settings.env import ROOT, VAR

STRANGLER = {
    "PARTY": "monolith",
    "MANIFEST": ROOT / "router" / "capabilities.toml",
    "TABLE": VAR / "table",
    "KEYS": VAR / "keys",
    "WIRING": "monolith.config.wiring",
    "IDENTIFY": "monolith.config.wiring.identify",
}
