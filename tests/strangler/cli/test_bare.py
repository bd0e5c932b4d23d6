"""The script where there is no Django: on the host of an edge, or beside a service."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from strangler.ladder import Share, Stage
from strangler.ports.trust import keys
from strangler.routing.killing import BEYOND
from strangler.routing.publish import publish
from strangler.routing.table import Entry, Table
from tests.strangler.django.forking import forked
from tests.strangler.django.plane import MANIFEST

BARE = """
import sys
for name in list(sys.modules):
    if name.partition(".")[0] in {"django", "drf_spectacular", "rest_framework", "strangler"}:
        del sys.modules[name]
sys.modules["django"] = None  # as if it were not installed
from strangler.cli import main
main()
"""
BESIDE = ("--control", "http://x", "--nginx", "n")
Bare = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    """The script in a folder with a manifest, a table and keys."""
    (tmp_path / "capabilities.toml").write_text(
        MANIFEST.format(service="http://127.0.0.1:9", more="")
    )
    entry = Entry(Stage.SHADOW, 0, held=False, killed=False, share=Share(0, 0), fallback=True)
    canary = Entry(Stage.CANARY, 10, held=False, killed=False, share=Share(100, 100), fallback=True)
    publish(tmp_path / "table", 4, {"catalog": canary, "pricing": entry})
    keys.generate(tmp_path / "keys", "edge")
    env = {
        "STRANGLER_TABLE": str(tmp_path / "table"),
        "STRANGLER_MANIFEST": str(tmp_path / "capabilities.toml"),
        "STRANGLER_KEYS": str(tmp_path / "keys"),
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "COLUMNS": "80",
    }

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return forked(BARE, *arguments, cwd=tmp_path, env=env | more)

    return run


def test_it_says_what_there_is(bare: Bare) -> None:
    said = bare("--help")
    assert said.returncode == 0
    assert "without Django" in " ".join(said.stdout.split())
    for command in ("agent", "kill"):
        assert f"  {command}" in said.stdout
    said = bare("agent", "--help")
    assert (said.returncode, said.stderr) == (0, "")
    assert "--control" in said.stdout


@pytest.mark.parametrize("command", ["status", "advance", "edges", "rollback", "publish"])
def test_what_wants_django_is_no_command_here(bare: Bare, command: str) -> None:
    said = bare(command, "pricing")
    assert (said.returncode, said.stdout) == (2, "")
    assert f"No such command '{command}'" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_kill_by_this_host_s_table_alone(bare: Bare, tmp_path: Path) -> None:
    said = bare("kill", "catalog", "--local")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == f"catalog: canary 10 % (killed), revision {4 + BEYOND} on this host\n"
    table = Table(tmp_path / "table")
    assert table.entry("catalog").killed
    assert table.entry("catalog").share == Share(0, 0)
    again = bare("kill", "catalog", "--local")
    assert again.stdout == "catalog: canary 10 % (killed) already; nothing to kill\n"
    told = json.loads(bare("kill", "pricing", "--local", "--json").stdout)
    assert told == {
        "before": "shadow", "after": "shadow (killed)", "revision": 4 + 2 * BEYOND,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["kill", "catalog"], 2, "say --local"),
        (["kill", "snow", "--local"], 2, "the manifest has catalog, pricing"),
        (["kill", "--local"], 2, "Missing argument 'CAPABILITY'"),
        (["kill", "catalog", "--local", "--table", "nowhere"], 1, "nowhere/current: no such file"),
        (["kill", "catalog", "--local", "--manifest", "nowhere"], 1, "nowhere"),
        (["agent"], 2, "Missing option '--control'"),
        (["agent", "--control", "nonsense"], 2, "is no base URL"),
        (["agent", "--control", "http://x", "--party", "pricing"], 1, "pricing.private.json"),
        (["agent", "--control", "http://x", "--party", "../x"], 1, "private.json"),
        (["agent", "--control", "http://x", "--name", "a/b"], 2, "can't be called 'a/b'"),
        (
            ["agent", "--control", "http://x", "--nginx", "n", "--program", "none"],
            1,
            "can't be run",
        ),
        (["agent", *BESIDE], 1, "edge.secret: No such file"),
        (["agent", *BESIDE, "--table", "a b"], 1, "without spaces"),
        (["agent", *BESIDE, "--user", "A B"], 1, "no user's name"),
        ([], 2, ""),
    ],
)
def test_mistakes_are_said_in_words(bare: Bare, arguments: list[str], code: int, why: str) -> None:
    said = bare(*arguments)
    assert said.returncode == code
    assert why in " ".join((said.stderr + said.stdout).split())
    assert "Traceback" not in said.stderr


def test_a_table_that_can_not_be_written(bare: Bare, tmp_path: Path) -> None:
    (tmp_path / "table" / ".lock").unlink()
    (tmp_path / "table" / ".lock").mkdir()
    said = bare("kill", "catalog", "--local")
    assert said.returncode == 1
    assert "is a directory" in said.stderr
    said = bare("kill", "catalog", "--local", "--json")
    assert said.returncode == 1
    assert json.loads(said.stdout)["error"] == "PublishFailed"
    assert Table(tmp_path / "table").revision() == 4
