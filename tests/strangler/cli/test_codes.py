"""Exit codes, JSON for programs, and what counts as a mistake of whoever types."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import OperationalError

from strangler.cli import project, run
from strangler.django import contracts
from strangler.django.control_plane import control, state
from strangler.ladder import Stage
from strangler.ports.freezing.freeze import NoSuchRevision
from strangler.routing.killing import BEYOND
from tests.strangler.cli.conftest import Terminal
from tests.strangler.django.plane import Plane

STANDING = {"stage", "percent", "held", "killed", "closed"}
VERDICT = {"gate", "outcome", "message", "value", "control", "threshold", "samples"}
MOVED = {
    "capability",
    "action",
    "changed",
    "before",
    "after",
    "revision",
    "together",
    "forced",
    "verdicts",
    "freeze",
    "agents",
}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["advance"], 2),
        (["advance", "pricing", "--to", "sky"], 2),
        (["advance", "pricing", "--percent", "0"], 2),
        (["advance", "pricing", "--force"], 2),
        (["advance", "pricin"], 2),
        (["renew", "pricing"], 2),
        (["nonsense"], 2),
        (["explain", "GET", "/x", "--cohort", "1000"], 2),
        (["explain", "GET", "/x", "--header", "no colon"], 2),
        (["keys", "Not-A-Party"], 2),
        (["diffs", "pricing", "--explain", "beef", "--reason", "x"], 2),
        (["advance", "pricing", "--to", "live"], 1),
        (["rollback", "pricing"], 1),
        (["advance", "catalog"], 1),
        (["--help"], 0),
        (["advance", "--help"], 0),
        (["status"], 0),
    ],
)
def test_exit_codes(strangler: Terminal, arguments: list[str], code: int) -> None:
    said = strangler(*arguments)
    assert said.code == code
    assert bool(said.err) == bool(code), "errors go to standard error, and nothing else does"


def test_every_command_has_json(strangler: Terminal, kit: Plane) -> None:
    moved = strangler("advance", "pricing", "--json").json
    assert moved.keys() == MOVED
    assert moved["before"].keys() == moved["after"].keys() == STANDING
    assert moved["verdicts"][0].keys() == VERDICT
    kit.answered("service", 10)
    status = strangler("status", "--json").json
    assert status.keys() == {"revision", "problem", "lag", "table", "capabilities"}
    pricing = status["capabilities"][1]
    assert pricing.keys() == STANDING | {
        "capability",
        "owner",
        "tables",
        "since",
        "since_revision",
        "revision",
        "share",
        "killed_here",
        "arms",
        "next",
    }
    assert pricing["arms"]["service"].keys() == {
        "requests",
        "failures",
        "fallbacks",
        "p50",
        "p95",
        "p99",
    }
    assert pricing["next"].keys() == {"stage", "percent", "verdicts"}
    for overlay in ("hold", "resume", "kill"):
        assert strangler(overlay, "pricing", "--json").json["changed"] is True
    assert strangler("kill", "pricing", "--json").json["changed"] is False
    assert strangler("resume", "pricing", "--json").code == 0
    assert strangler("close", "pricing", "--json").json["error"] == "IllegalMove"
    assert strangler("renew", "pricing", "--reason", "x", "--json").json["revision"] == 6
    assert strangler("rollback", "pricing", "--json").json["after"]["stage"] == "monolith"
    (change,) = strangler("history", "--limit", "1", "--json").json["changes"]
    assert (change["action"], change["actor"]) == ("rollback", "ann@shop")
    assert strangler("diffs", "pricing", "--json").json["findings"] == []
    explained = strangler("explain", "GET", "/api/pricing/x", "--cohort", "3", "--json").json
    assert (explained["arm"], explained["cohort"]) == ("monolith", 3)
    assert strangler("publish", "--json").json["revision"] == 7
    assert strangler("keys", "pricing", "--json").json["made"] == ["pricing"]
    again = strangler("keys", "pricing", "--json").json
    assert (again["parties"], again["made"]) == (["pricing"], [])


def test_a_refused_move_is_json_too(strangler: Terminal) -> None:
    strangler("advance", "pricing")
    said = strangler("advance", "pricing", "--json")
    assert said.code == 3
    assert said.json.keys() == {
        "error",
        "message",
        "capability",
        "outcome",
        "forceable",
        "verdicts",
    }
    assert (said.json["error"], said.json["outcome"]) == ("MoveRefused", "inconclusive")


def test_a_bad_manifest_is_refused_whole(strangler: Terminal, kit: Plane) -> None:
    kit.write(more="colour = 1\nowner = 7")
    said = strangler("advance", "pricing", "--json")
    assert said.code == 1
    assert said.json["error"] == "ManifestErrors"
    kit.write(more="colour = 1")
    said = strangler("advance", "pricing")
    assert said.code == 1
    assert "capability.pricing.colour" in said.err
    assert not (kit.root / "table").exists()


def test_bad_settings(strangler: Terminal, settings: Any) -> None:
    settings.STRANGLER = {"EDGE": "apache"}
    said = strangler("status", "--json")
    assert (said.code, said.json["error"]) == (1, "BadSettings")
    assert len(said.json["problems"]) == 4


def test_without_the_database_the_table_is_shown(
    strangler: Terminal, kit: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    strangler("advance", "pricing")

    def away() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(state, "revision", away)
    monkeypatch.setattr(state, "read_all", away)
    said = strangler("status")
    assert said.code == 1
    assert "connection refused" in said.out
    assert "shadow" in said.out
    said = strangler("advance", "pricing")
    assert said.code == 1
    assert "can't be used: connection refused" in said.err


def test_a_local_kill_needs_no_database(
    strangler: Terminal, kit: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stage in (Stage.SHADOW, Stage.CANARY, Stage.LIVE):
        control.advance("pricing", to=stage, actor="ann", force=True, reason="a test")

    def away() -> None:
        raise OperationalError("connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(state, "read_all", away)
        said = strangler("kill", "pricing")
        assert said.code == 1
        assert "strangler kill pricing --local" in " ".join(said.err.split())
        assert strangler("kill", "pricing", "--local").code == 0
        assert strangler("kill", "pricing", "--local").code == 0, "once more does no harm"
    assert kit.table.revision() == 3 + BEYOND
    assert kit.table.entry("pricing").killed
    assert kit.table.entry("pricing").share.queries == 0
    said = strangler("rollback", "pricing")
    assert said.code == 1
    assert "strangler kill CAPABILITY" in said.err
    assert strangler("kill", "pricing").code == 0
    assert kit.table.revision() == state.revision() == 4 + BEYOND
    assert strangler("kill", "catalog", "--local").code == 0
    assert strangler("publish").code == 0
    assert not kit.table.entry("catalog").killed


def test_the_actor(strangler: Terminal, kit: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRANGLER_ACTOR", "the pipeline")
    run(["hold", "pricing"])
    monkeypatch.delenv("STRANGLER_ACTOR")
    run(["resume", "pricing"])
    strangler("hold", "pricing")
    ann, somebody, pipeline = (change.actor for change in control.history())
    assert (ann, pipeline) == ("ann@shop", "the pipeline")
    assert somebody.endswith(f"@{os.uname().nodename}")


def test_watching_prints_a_line_of_json_again_and_again(
    strangler: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from strangler.cli import viewing

    looks = []

    def interrupted(_: float) -> None:
        looks.append(1)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(viewing.time, "sleep", interrupted)
    said = strangler("status", "--watch", "--json")
    assert said.code == 0
    assert [json.loads(line)["revision"] for line in said.out.splitlines()] == [0, 0, 0]
    looks.clear()
    said = strangler("status", "--watch")
    assert said.code == 0
    assert "no capability has moved yet" in said.out


def test_manage_py_hands_everything_over(
    strangler: Terminal, kit: Plane, capsys: pytest.CaptureFixture[str]
) -> None:
    from django.core.management import ManagementUtility

    for arguments, code in (
        (["advance", "pricing", "--to", "shadow", "--json"], 0),
        (["advance", "--help"], 0),
        (["--help"], 0),
        (["advance", "pricing", "--verbosity"], 2),
    ):
        with pytest.raises(SystemExit) as end:
            ManagementUtility(["manage.py", "strangler", *arguments]).execute()
        assert end.value.code == code
    said = capsys.readouterr()
    assert "Usage: manage.py strangler advance" in said.out
    assert state.read("pricing").standing.stage is Stage.SHADOW
    ManagementUtility(["manage.py", "help", "strangler"]).execute()
    assert "Usage: manage.py strangler" in capsys.readouterr().out
    call_command("strangler", "rollback", "pricing", "--to", "monolith")
    with pytest.raises(CommandError, match="exited with 2"):
        call_command("strangler", "advance")


def test_which_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(project, "boot", asked.append)
    before = list(project.sys.path)
    monkeypatch.setattr(project.sys, "path", list(before))
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE")
    folder = tmp_path / "deep" / "down"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert run(["history"]) == 2
    assert "which project?" in capsys.readouterr().err
    (tmp_path / "pyproject.toml").write_text('[tool.strangler]\nsettings = "shop.settings"\n')
    (folder / "pyproject.toml").write_text("[tool.other]\n")
    project.load()
    assert project.sys.path == [str(tmp_path), *before]
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "by.environment")
    project.load()
    project.load("by.option")
    assert asked == ["shop.settings", "by.environment", "by.option"]
    (folder / "pyproject.toml").write_text("[tool.")
    assert run(["history"]) == 2
    assert "pyproject.toml can't be read" in " ".join(capsys.readouterr().err.split())


def test_settings_that_can_t_be_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def boot(name: str | None) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(project, "boot", boot)
    assert run(["--settings", "nowhere", "status"]) == 2
    assert "the settings 'nowhere' can't be imported" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["advance", "pricing", "--to", "sky"], "Invalid value for '--to': 'sky' is not one of"),
        (["advance", "pricing", "--percent", "101"], "Invalid value for '--percent': it is at mo"),
        (["advance", "pricing", "--percent", "0"], "Invalid value for '--percent': it is at leas"),
        (["history", "--limit", "x"], "Invalid value for '--limit': it is a whole number."),
        (["advance"], "Missing argument 'CAPABILITY'"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_wrong_usage_is_told_in_plain_words_and_in_json(
    strangler: Terminal, arguments: list[str], message: str
) -> None:
    said = strangler(*arguments)
    assert (said.code, said.out) == (2, "")
    assert f"Error: {message}" in said.err
    assert said.err.startswith("Usage: ")
    said = strangler(*arguments, "--json")
    assert (said.code, said.json["error"], said.err) == (2, "UsageError", "")
    assert said.json["message"].startswith(message)


def test_status_fails_where_the_table_is_not_what_the_database_says(
    strangler: Terminal, kit: Plane
) -> None:
    strangler("advance", "pricing")
    assert strangler("status", "--json").json["problem"] is None
    assert strangler("kill", "pricing", "--local").code == 0
    said = strangler("status", "--json")
    assert said.code == strangler("status").code == 1
    assert "the routing table is ahead" in said.json["problem"] == said.json["lag"]
    (kit.root / "table" / "current").unlink()
    said = strangler("status", "--json")
    assert said.code == strangler("status").code == 1
    assert "the routing table can't be asked" in said.json["problem"] == said.json["lag"]


def test_a_revision_that_git_does_not_know(
    strangler: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(_against: str | None) -> list[str]:
        raise NoSuchRevision("git knows no revision 'nowhere'")

    monkeypatch.setattr(contracts, "check", check)
    said = strangler("contracts", "check", "--against", "nowhere")
    assert (said.code, said.err) == (2, "git knows no revision 'nowhere'\n")
    said = strangler("contracts", "check", "--against", "nowhere", "--json")
    assert (said.code, said.json["error"]) == (2, "NoSuchRevision")


def test_a_stream_without_arrows(kit: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    assert run(["status"]) == 0
    assert run(["hold", "pricing", "--reason", "Zürich", "--json"]) == 0
    assert run(["history", "--json"]) == 0
    stream.flush()
    said = written.getvalue().decode("ascii")
    assert "pricing ? shadow" in said
    assert "Z\\u00fcrich" in said, "JSON loses nothing"


def test_settings_that_can_t_be_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def boot(name: str | None) -> None:
        raise ImproperlyConfigured(f"{name} wants a database")

    monkeypatch.setattr(project, "boot", boot)
    assert run(["--settings", "shop", "advance", "x"]) == 2
    assert capsys.readouterr().err == "the settings 'shop' can't be used: shop wants a database\n"


def test_what_is_wrong_with_a_manifest_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        f"""
INSTALLED_APPS = ["strangler.django"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}}
USE_TZ = True
STRANGLER = {{
    "MANIFEST": {str(tmp_path / "m.toml")!r}, "TABLE": "table", "KEYS": "keys",
}}
"""
    )
    (tmp_path / "m.toml").write_text("colour = 1\n")
    code = "from strangler.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--settings", "shop", "advance", "x"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{Path(__file__).parents[3]}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("colour") == 1, done.stderr
