"""Moments as SQLite keeps them: text, in UTC, which sorts like time. Django writes the same."""

from __future__ import annotations

from datetime import UTC, datetime


def written(at: datetime) -> str:
    """A moment, for SQLite."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def read(at: str) -> datetime:
    """A moment of SQLite's."""
    return datetime.fromisoformat(at).replace(tzinfo=UTC)
