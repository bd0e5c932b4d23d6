"""A project with ``ATOMIC_REQUESTS``: the door is passed before its transaction begins."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from strangler.ports.trust.keys import generate
from tests.strangler.django.faults import Faults, faults
from tests.strangler.django.forking import ROOT, forked

SETTINGS = """
from monolith.config.settings import *

ALLOWED_HOSTS = ["testserver"]
DATABASES["default"]["ATOMIC_REQUESTS"] = True
ROOT_URLCONF = "tests.strangler.django.transfer.atomic"
"""
MANIFEST = ROOT / "router" / "capabilities.toml"
PLAY = "from tests.strangler.django.transfer.atomic import main; main()"


def played(folder: Path, url: str, service: Faults) -> dict[str, Any]:
    generate(folder / "keys", "monolith")
    (folder / "atomic_settings.py").write_text(SETTINGS)
    # A service that is asked to rehearse a command sees it too; here it sees what is carried.
    manifest = folder / "capabilities.toml"
    manifest.write_text(MANIFEST.read_text() + "\n[capability.inventory.shadow]\nsample = 0.0\n")
    environment = {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "atomic_settings",
        "PYTHONPATH": f"{ROOT}:{folder}",
        "STRANGLER_INVENTORY_URL": service.url,
        "STRANGLER_MANIFEST": str(manifest),
        "VAR": str(folder),
    }
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(folder)!r}]; {PLAY}"
    done = forked(code, cwd=folder, env={"PATH": os.environ["PATH"], **environment})
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_atomic_requests(kind: str, tmp_path: Path, request: pytest.FixtureRequest):
    url = f"sqlite:///{tmp_path / 'shop.sqlite3'}"
    if kind == "postgres":
        url = request.getfixturevalue("postgres_url")
    with faults() as service:
        said = played(tmp_path, url, service)
        carried = [(seen.method, seen.target) for seen in service.seen]

    inside = said["inside"]
    assert inside["first"] == [200, "monolith"]
    assert inside["half"] == [], "it has committed half of it"
    assert inside["closed"] == ["in-1", "in-2"], "the door was closed while it was inside"
    assert inside["waiting"] == [True, 0], "it does not wait, or it does so within a transaction"
    assert inside["second"][1] == "service"
    assert carried == [("POST", "/api/inventory/twice?code=out")]
    assert inside["begun"] == [["in", True]], "what was carried had begun here before"
    assert inside["codes"] == ["in-1", "in-2"]

    assert said["fenced"] == {"answer": 409, "notes": 0, "codes": ["in-1", "in-2"]}

    waiting = said["waiting"]
    assert waiting["all"] < 5, "the page and the freeze wait for each other"
    if kind == "sqlite":  # one writer at a time: the freeze is undone, and the page goes on
        assert waiting["undone"]
        assert (waiting["answer"], waiting["late"], waiting["notes"]) == ([200, "here"], True, 1)
    else:
        assert (waiting["undone"], waiting["took"] < 1) == (False, True)
        answer = [200, "elsewhere"]
        assert (waiting["answer"], waiting["late"], waiting["notes"]) == (answer, False, 1)
