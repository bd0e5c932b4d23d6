"""The script of a kit that was installed without its command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.repository.locks import ROOT


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_the_extra_is_named(module: str):
    code = f"import sys; sys.modules[{module!r}] = None; from strangler.cli import main; main()"
    done = run(code)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("which an extra brings: install strangler[cli]\n")
    assert done.stderr.startswith(f"strangler needs {module}")
    assert done.stderr.count("\n") == 1


def test_what_no_extra_brings_is_no_question_of_extras():
    code = "import sys; sys.modules['strangler.gates'] = None; from strangler.cli import main"
    done = run(f"{code}; main()")
    assert done.returncode == 1
    assert "ModuleNotFoundError: import of strangler.gates halted" in done.stderr


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
