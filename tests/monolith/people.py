"""What tests know of the users that they make."""

from __future__ import annotations

PASSWORD = "the-fig-grows-around"
