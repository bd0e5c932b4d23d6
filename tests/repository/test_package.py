"""What other projects install is the kit, and nothing of the shop around it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.repository.locks import ROOT


def test_the_wheel_is_the_kit(tmp_path: Path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        dist_info = metadata.removesuffix("METADATA")
        entry_points = wheel.read(f"{dist_info}entry_points.txt").decode()
    assert {name.partition("/")[0] for name in names} == {"strangler", dist_info.rstrip("/")}
    modules = {str(module.relative_to(ROOT)) for module in (ROOT / "strangler").rglob("*.py")}
    assert modules <= set(names)
    assert "strangler/py.typed" in names
    assert f"{dist_info}licenses/LICENSE" in names
    assert "strangler = strangler.cli:main" in entry_points
    assert "strangler = strangler.ports.testing" in entry_points
