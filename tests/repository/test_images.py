"""Each image is small, runs as nobody special, and its files suffice without the other side's."""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import locks
from tests.repository.images import Image

SERVICES = ("catalog", "inventory", "pricing")
TARGETS = ("monolith", "worker", *SERVICES)

# Refuses what is installed here and would not be in the image.
BLOCKED = """
import sys
for name in {absent!r}:
    sys.modules[name] = None
{code}
"""
STARTS = {
    "monolith": "import monolith.config.wsgi",
    "worker": """
from monolith.config.celery import app
app.loader.import_default_modules()
app.connection_for_read().get_transport_cls()
""",
    "catalog": "import extracted.catalog.__main__, psycopg, sqlalchemy.dialects.postgresql.psycopg",
    "inventory": "import extracted.inventory.__main__",
    "pricing": "import extracted.pricing.__main__",
}


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_slim_and_does_not_run_as_root(target: str):
    image = Image(target)
    assert image.base == "python:${PYTHON}-slim-bookworm"
    assert image.last("USER") == "app"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_whether_it_is_healthy(target: str):
    assert Image(target).last("HEALTHCHECK")


@pytest.mark.parametrize(
    ("target", "lock"),
    [("monolith", "monolith"), ("worker", "monolith"), *((name, name) for name in SERVICES)],
)
def test_an_image_installs_its_own_lock(target: str, lock: str):
    assert Image(target).locks() == [lock]


@pytest.mark.parametrize("target", TARGETS)
def test_what_an_image_starts_is_in_its_lock(target: str):
    program = Image(target).command()[0]
    lock = Image(target).locks()[0]
    assert program == "python" or program in locks.pins(lock)


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_copied_is_there_and_not_ignored(target: str):
    allowed = [
        line.removeprefix("!")
        for line in (locks.ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    for source, _ in Image(target).files():
        assert (locks.ROOT / source).exists()
        top = [source, *(str(parent) for parent in Path(source).parents)]
        assert any(fnmatch.fnmatch(path, pattern) for path in top for pattern in allowed), source


@pytest.mark.parametrize("target", SERVICES)
def test_a_service_holds_nothing_of_the_monolith_or_another(target: str):
    sources = {source for source, _ in Image(target).files()}
    assert not {source for source in sources if source.startswith(("monolith", "manage.py"))}
    services = {source for source in sources if source.startswith("extracted/")}
    assert services == {"extracted/__init__.py", f"extracted/{target}"}


def test_the_monolith_holds_nothing_of_the_services():
    sources = {source for source, _ in Image("monolith").files()}
    assert not {source for source in sources if source.startswith("extracted")}


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_holds_all_that_it_imports(target: str, tmp_path: Path):
    image = Image(target)
    folder = image.lay_out(tmp_path)
    installed = [path for path in sys.path if path.endswith("site-packages")]
    code = BLOCKED.format(absent=locks.absent(image.locks()[0]), code=STARTS[target])
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],  # no site: the repository itself is not on the path
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(folder), *installed]),
            "DJANGO_SETTINGS_MODULE": "monolith.config.settings",
            "DEBUG": "true",
            "REDIS_URL": "redis://127.0.0.1:1/0",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
