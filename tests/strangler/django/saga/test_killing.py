"""A real process is killed at every step of a saga: all of it happens once, or is compensated."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.strangler.django.foreign import Foreign

HOW = "everywhere" if os.environ.get("STRANGLER_CHAOS") else "here and there"
KILL = "from tests.strangler.django.saga.killing import main; main()"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Foreign:
    if request.param == "sqlite":
        made = Foreign(tmp_path)
    else:
        made = Foreign(tmp_path, request.getfixturevalue("postgres_url"))
    made.migrate()
    return made


def test_whoever_is_killed_each_effect_happens_once_or_is_compensated(shop: Foreign):
    process = shop.spawn(KILL, HOW)
    out, err = process.communicate(timeout=1200)
    assert process.returncode == 0, err

    found = json.loads(out)
    for name, said in found.items():
        fate = name.partition(",")[0]
        assert said["points"] > 20, "whatever is done is a point"
        assert said["states"] == ["completed" if fate == "well" else "compensated"]
        assert said["again"], "some were killed between what they did and its record"
