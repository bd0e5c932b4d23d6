"""What a process has loaded once it runs, whichever way it was imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT

SERVICES = """
import extracted.catalog.app, extracted.inventory.app, extracted.pricing.app
import extracted.notifications.app
import strangler.fastapi.server
"""
DJANGO = """
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "monolith.config.settings"
django.setup()
import monolith.config.urls
"""
NO_SERVICES = {"django", "rest_framework", "celery", "monolith", "strangler.django"}
PROCESSES = {
    "the services": (SERVICES, NO_SERVICES),
    "the monolith": (
        DJANGO,
        {"fastapi", "starlette", "uvicorn", "extracted", "strangler.fastapi"},
    ),
}


def loaded(code: str) -> set[str]:
    """The modules of a process that has run this code."""
    code = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_does_not_load_the_other_side(process: str):
    code, foreign = PROCESSES[process]
    assert loaded(code) & foreign == set()


def test_what_is_loaded_is_seen():
    assert "django" in loaded("def late():\n    import django\nlate()")
