"""Each image is small, runs as nobody special, and its files suffice without the other side's."""

from __future__ import annotations

import fnmatch
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.repository import locks
from tests.repository.images import Image

SERVICES = ("catalog", "inventory", "notifications", "pricing")
DJANGO = ("monolith", "worker", "mover")
TARGETS = (*DJANGO, *SERVICES, "edge")

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
    "mover": """
import runpy
sys.argv = {command!r}[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
""",
    "catalog": "import extracted.catalog.__main__, psycopg, sqlalchemy.dialects.postgresql.psycopg",
    "inventory": "import extracted.inventory.__main__",
    "notifications": "import extracted.notifications.__main__, redis",
    "pricing": "import extracted.pricing.__main__",
    "edge": """
import runpy, sys
import strangler.agent.running
sys.argv = ["strangler", "agent", "--help"]
runpy.run_module("strangler", run_name="__main__")
""",
}


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_slim_and_does_not_run_as_root(target: str):
    image = Image(target)
    assert image.base == "python:${PYTHON}-slim-bookworm"
    assert image.last("USER") == "app"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_whether_it_is_healthy(target: str):
    healthy = Image(target).last("HEALTHCHECK")
    assert (healthy == "NONE") if target == "mover" else healthy not in {None, "NONE"}


@pytest.mark.parametrize(
    ("target", "lock"),
    [*((name, "monolith") for name in DJANGO), *((name, name) for name in (*SERVICES, "edge"))],
)
def test_an_image_installs_its_own_lock(target: str, lock: str):
    assert Image(target).locks() == [lock]


@pytest.mark.parametrize("target", TARGETS)
def test_what_an_image_starts_is_in_its_lock(target: str):
    program = Image(target).command()[0]
    lock = Image(target).locks()[0]
    assert program in {"python", "sh"} or program in locks.pins(lock)


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


def test_an_edge_holds_nothing_but_the_kit_and_what_it_stands_in_front_of():
    sources = {source for source, _ in Image("edge").files()}
    assert sources == {"strangler", "router/capabilities.toml", "router/start.sh"}
    assert {"django", "fastapi", "sqlalchemy"} <= locks.absent("edge")


@pytest.mark.parametrize("target", DJANGO)
def test_the_monolith_holds_of_the_services_only_how_their_rows_map(target: str):
    manifest = tomllib.loads((locks.ROOT / "router" / "capabilities.toml").read_text())
    mappings = set()
    for capability in manifest["capability"].values():
        if "transfer" in capability:
            mapping = Path(*capability["transfer"].partition(":")[0].split(".")).with_suffix(".py")
            mappings |= {str(mapping), *(str(it / "__init__.py") for it in mapping.parents[:-1])}
    sources = {source for source, _ in Image(target).files()}
    assert {source for source in sources if source.startswith("extracted")} == mappings
    assert {"fastapi", "sqlalchemy", "uvicorn"} <= locks.absent(Image(target).locks()[0])


@pytest.mark.journey
@pytest.mark.parametrize("target", [name for name in TARGETS if name != "mover"])
def test_an_image_holds_all_that_it_imports(target: str, tmp_path: Path):
    with started(target, tmp_path) as process:
        said, _ = process.communicate()
    assert process.returncode == 0, said


def test_who_plays_the_payment_provider_needs_nothing_but_python(tmp_path: Path):
    image = Image("provider")
    image.lay_out(tmp_path)
    assert image.locks() == []
    assert image.base == "python:${PYTHON}-slim-bookworm"
    assert image.last("USER") == "app"
    assert "8200/healthz" in str(image.last("HEALTHCHECK"))
    _, *arguments = image.command()
    done = subprocess.run(
        [sys.executable, "-S", *arguments, "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.journey
def test_the_mover_finds_every_mapping_and_ends_when_it_is_told(tmp_path: Path):
    databases = {
        "STRANGLER_CATALOG_DATABASE": f"sqlite:///{tmp_path}/catalog.sqlite3",
        "STRANGLER_INVENTORY_DATABASE": f"sqlite:///{tmp_path}/inventory.sqlite3",
        "STRANGLER_NOTIFICATIONS_DATABASE": f"sqlite:///{tmp_path}/notifications.sqlite3",
    }
    with started("mover", tmp_path, **databases) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "the mover carries catalog, inventory, notifications\n"
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate()
    assert process.returncode == 0, said


@contextmanager
def started(target: str, folder: Path, **env: str) -> Iterator[subprocess.Popen[str]]:
    """What an image starts, among nothing but what is in it."""
    image = Image(target)
    image.lay_out(folder)
    installed = [path for path in sys.path if path.endswith("site-packages")]
    start = STARTS[target].format(command=image.command())
    code = BLOCKED.format(absent=locks.absent(image.locks()[0]), code=start)
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code],  # no site: the repository itself is not on the path
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(folder), *installed]),
            "DJANGO_SETTINGS_MODULE": "monolith.config.settings",
            "DEBUG": "true",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            **env,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
