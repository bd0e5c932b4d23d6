"""Two scenes at a time end together, and one that is spoiled spoils the film."""

from __future__ import annotations

import threading

import pytest

from demo.climber import Spoiled
from demo.scenes import meanwhile


def test_both_are_played_at_a_time_to_their_ends():
    both, played = threading.Barrier(2), []

    def beside() -> None:
        both.wait(20)
        played.append("beside")

    with meanwhile(beside):
        both.wait(20)
    assert played == ["beside"]


def spoil() -> None:
    raise Spoiled("a gate did not open")


def test_what_spoils_the_scene_beside_spoils_the_film():
    with pytest.raises(Spoiled), meanwhile(spoil):
        pass


def test_the_scene_beside_is_waited_for():
    played = []
    with pytest.raises(Spoiled), meanwhile(lambda: played.append("beside")):
        spoil()
    assert played == ["beside"]
