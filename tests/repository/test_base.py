"""A change is held against the contracts of the commit that it is based on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository.locks import ROOT

IDENTITY = ("-c", "user.name=ann", "-c", "user.email=ann@shop", "-c", "commit.gpgsign=false")
ZEROS = "0" * 40
"""What GitHub says was there before a branch's first push."""


class Project:
    """A repository in a temporary folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / ".ci").mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "base", root / ".ci")
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        done = self.run("git", *IDENTITY, *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    def commit(self, text: str) -> str:
        (self.root / "text").write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "another")
        return self.git("rev-parse", "HEAD")

    def published(self, revision: str) -> None:
        self.git("update-ref", "refs/remotes/origin/main", revision)

    def base(self, before: str = "") -> str:
        done = self.run(str(self.root / ".ci" / "base"), BASE=before)
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.root,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(self.root),
                "COLUMNS": "200",
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CEILING_DIRECTORIES": str(self.root.parent),
                **env,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def test_a_branch_is_based_on_where_it_left_main(project: Project):
    left = project.commit("1")
    project.git("switch", "--quiet", "--create", "branch")
    project.commit("2")
    project.commit("3")
    project.git("switch", "--quiet", "main")
    project.published(project.commit("of others"))
    project.git("switch", "--quiet", "branch")
    assert project.base() == left
    assert project.base(ZEROS) == left


def test_a_push_to_main_is_based_on_what_was_there_before(project: Project):
    before, between, now = (project.commit(text) for text in "123")
    project.published(now)
    assert project.base(before) == before
    assert project.base("f" * 40) == between, "a push that was forced: what was there is gone"
    assert project.base() == between


def test_what_is_not_committed_is_based_on_what_is(project: Project):
    project.commit("1")
    project.published(project.commit("2"))
    (project.root / "text").write_text("3")
    assert project.base() == project.git("rev-parse", "HEAD")


def test_without_an_origin_it_is_the_commit_before(project: Project):
    before = project.commit("1")
    project.commit("2")
    assert project.base() == before


def test_where_nothing_came_before_there_is_none(project: Project):
    assert project.base() == ""
    project.commit("1")
    assert project.base() == ""
    project.commit("2")
    project.git("clone", "--quiet", "--depth", "1", f"file://{project.root}", "shallow")
    shallow = project.run(str(project.root / "shallow" / ".ci" / "base"))
    assert (shallow.returncode, shallow.stdout) == (0, "")
    shutil.rmtree(project.root / ".git")
    assert project.base() == ""


def lint(project: Project) -> subprocess.CompletedProcess[str]:
    """The last step of ``make lint``."""
    binaries = Path(sys.executable).parent
    steps = project.run("make", "--dry-run", "--old-file", ".venv/dev", f"BIN={binaries}", "lint")
    step = steps.stdout.splitlines()[-1]
    assert "strangler contracts check" in step, steps.stdout
    return project.run("sh", "-c", step)


@pytest.mark.journey
def test_a_promise_can_t_be_forgotten_by_deleting_what_was_frozen(project: Project):
    for folder in ("contracts", "monolith", "router", "strangler"):
        shutil.copytree(ROOT / folder, project.root / folder)
    for file in ("pyproject.toml", "Makefile", ".gitignore"):
        shutil.copy(ROOT / file, project.root)
    frozen = [
        project.root / "contracts" / name
        for name in ("frozen/pricing.json", "http/pricing.openapi.json")
    ]
    strangler = str(Path(sys.executable).parent / "strangler")
    promised = {path: path.read_text() for path in frozen}
    for path in frozen:
        path.unlink()
    project.commit("before anything was promised")
    for path, text in promised.items():
        path.write_text(text)
    project.published(project.commit("as it was promised"))
    kept = lint(project)
    assert kept.returncode == 0, kept.stdout

    project.git("switch", "--quiet", "--create", "branch")
    module = project.root / "contracts" / "pricing.py"
    module.write_text(re.sub(r"(?m)^    rounding: Decimal\n", "", module.read_text()))
    for path in frozen:
        path.unlink()
    assert project.run(strangler, "contracts", "freeze").returncode == 0
    assert project.run(strangler, "contracts", "check").returncode == 0
    project.commit("nobody will notice")
    refused = lint(project)
    assert refused.returncode == 1
    said = "removed (in the response; callers first, then provider)"
    assert refused.stdout.splitlines() == [
        f"pricing.quote → answer.rounding: {said}",
        f"POST /api/pricing/quote → 200.rounding: {said}",
    ]
