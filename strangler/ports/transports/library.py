"""httpx, and httpcore beneath it, named in one place: a successor can take over here."""

from __future__ import annotations

import httpcore
import httpx

__all__ = ["httpcore", "httpx"]
