"""A real process is killed at every step of a saga: all of it happens once, or is compensated."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.strangler.django.foreign import Foreign

pytestmark = pytest.mark.journey

KILL = "from tests.strangler.django.saga.killing import main; main()"


LONG = bool(os.environ.get("STRANGLER_CHAOS"))


def kill(shop: Foreign, *fates: str) -> None:
    shop.migrate()
    process = shop.spawn(KILL, *([] if LONG else fates))
    out, err = process.communicate(timeout=3600)
    assert process.returncode == 0, err

    found = json.loads(out)
    assert len(found) >= len(fates)
    for name, said in found.items():
        fate, _, second = name.partition(", ")
        states = {"completed" if fate == "well" else "compensated"}
        # Where two are killed, one after the other, the deadline may have passed.
        assert (
            states
            <= set(said["states"])
            <= states | ({"compensated"} if second != "None" else set())
        )
        assert said["points"] > 20, "whatever is done is a point"
        assert said["again"], "some were killed between what they did and its record"


def test_whoever_is_killed_each_effect_happens_once_or_is_compensated(tmp_path: Path):
    kill(Foreign(tmp_path), "well", "hotel refused")


@pytest.mark.postgres
def test_and_on_postgres(tmp_path: Path, postgres_url: str):
    kill(Foreign(tmp_path, postgres_url), "hotel refused")
