"""What the command that listens is told."""

from __future__ import annotations

import pytest

from strangler.cli import run


def test_an_inbox_remembers_for_a_week_at_least(capsys: pytest.CaptureFixture[str]) -> None:
    """What a bus delivers again would be handled anew."""
    assert run(["consume", "--keep", "6"]) == 2
    assert "it is at least 7" in capsys.readouterr().err
