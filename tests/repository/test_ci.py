"""CI runs what a developer runs, on every Python that the project is for, and skips nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.repository.locks import ROOT

SKIPPING = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="no such server")
def test_skipped():
    pass
"""


def workflow() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    return document


def test_every_python_that_is_promised_is_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    (job,) = workflow()["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == promised
    assert project["requires-python"] == f">={promised[0]}"


def test_it_runs_on_the_debian_of_the_images():
    """So one of the two NGINX that are tested is the image's."""
    (job,) = workflow()["jobs"].values()
    (base,) = re.findall(
        r"^FROM python:\$\{PYTHON\}-slim-(\w+) ", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert job["container"]["image"] == f"python:${{{{ matrix.python }}}}-{base}"


def test_actions_are_pinned_by_version():
    (job,) = workflow()["jobs"].values()
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", action) for action in used)


def test_it_has_the_commits_that_contracts_are_compared_with():
    (job,) = workflow()["jobs"].values()
    (checkout,) = (step for step in job["steps"] if "checkout" in step.get("uses", ""))
    assert checkout["with"]["fetch-depth"] == 0
    (run,) = (step for step in job["steps"] if "run" in step)
    assert run["env"] == {"BASE": "${{ github.event_name == 'push' && github.event.before || '' }}"}


def test_the_workflow_may_only_read():
    assert workflow()["permissions"] == {"contents": "read"}


def test_it_runs_what_developers_run(tmp_path: Path):
    (job,) = workflow()["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$PWD $CI $*"; cat\nexit 7\n')
    make.chmod(0o755)
    done = subprocess.run(
        [ROOT / ".ci" / "run"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        input="what a terminal would say",
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.stdout == f"{ROOT} true test journeys\n"
    assert done.returncode == 7


@pytest.mark.parametrize("workers", [[], ["-p", "xdist", "-n", "1"]], ids=["alone", "xdist"])
@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_a_skipped_test_fails_ci(tmp_path: Path, workers: list[str], ci: str, code: int):
    shutil.copyfile(ROOT / "tests" / "conftest.py", tmp_path / "conftest.py")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    (tmp_path / "test_it.py").write_text(SKIPPING)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *workers],
        cwd=tmp_path,
        env={
            **os.environ,
            "CI": ci,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(ROOT),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert "1 passed, 1 skipped" in done.stdout
    assert done.returncode == code, done.stdout
    listed = "test_it.py::test_skipped: Skipped: no such server" in done.stdout
    assert listed is bool(ci)
