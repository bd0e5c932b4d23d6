"""What `make` says and does before there is anything else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.repository.locks import ROOT

TOOLS = ("sh", "dirname", "id", "ls", "rm", "touch", "env", "cat", "mkdir")
TARGETS = {
    "bench", "chaos", "clean", "contracts", "demo", "dev", "help", "journeys", "lint", "lock",
    "secrets", "test",
}  # fmt: skip


def run(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


class Machine:
    """A machine that has what POSIX has, and what is put on it."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "log"
        self.project = folder / "project"
        (self.project / "requirements").mkdir(parents=True)
        for script in (ROOT / "requirements").glob("*.sh"):
            shutil.copy(script, self.project / "requirements")
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)

    def install(self, program: str, script: str = "") -> None:
        path = self.bin / program
        path.unlink(missing_ok=True)
        path.write_text(f'#!/bin/sh\necho "{program} $*" >>{self.log}\n{script}\n')
        path.chmod(0o755)

    def run(self, script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        path = str(self.project / "requirements" / script)
        return run(path, *arguments, cwd=self.project, PATH=str(self.bin), **env)

    def ran(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_make_alone_lists_every_target_with_its_comment():
    listed = dict(
        line.split(maxsplit=1)
        for line in run("make", cwd=ROOT, PATH=os.environ["PATH"]).stdout.splitlines()
    )
    assert listed.keys() == TARGETS
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == TARGETS | {"servers"}


def test_make_test_checks_style_types_imports_and_contracts_too():
    done = run("make", "--dry-run", "test", cwd=ROOT, PATH=os.environ["PATH"])
    for step in ("ruff check", "ruff format --check", "mypy --num-workers 2", "lint-imports"):
        assert f"bin/{step}\n" in done.stdout
    assert "bin/strangler contracts check" in done.stdout
    assert done.stdout.index("mypy") < done.stdout.index("bin/pytest")


def fake_python(machine: Machine, *, venv: str = "", pip: str = "") -> None:
    """A python3 whose environments hold a python that only notes what pip is asked for."""
    inner = f'echo "pip: $*" >>{machine.log}\\n{pip}'
    machine.install(
        "python3",
        f"""
        [ "$1 $2" != "-m venv" ] || {{
            {venv or ":"}
            mkdir -p "$3/bin"
            printf '#!/bin/sh\\n{inner}\\n' >"$3/bin/python"
            /bin/chmod 755 "$3/bin/python"
        }}
        """,
    )


def made(machine: Machine) -> int:
    return sum(" -m venv " in line for line in machine.ran())


def test_an_environment_is_made_once(machine: Machine):
    fake_python(machine)
    assert machine.run("venv.sh", "demo").returncode == 0
    assert machine.run("venv.sh", "dev").returncode == 0
    assert made(machine) == 1
    asked = [line for line in machine.ran() if line.startswith("pip: ")]
    assert "--require-hashes -r requirements/demo.txt" in asked[0]
    assert "--no-deps --no-build-isolation -e ." in asked[1]
    assert "--require-hashes -r requirements/dev.txt" in asked[2]
    assert {path.name for path in (machine.project / ".venv").iterdir()} == {"bin", "demo", "dev"}


def test_what_was_interrupted_is_made_anew(machine: Machine):
    fake_python(machine, pip="exit 1")
    assert machine.run("venv.sh", "dev").returncode == 1
    assert not (machine.project / ".venv" / "dev").exists()
    (machine.project / ".venv" / "half").touch()
    fake_python(machine)
    assert machine.run("venv.sh", "dev").returncode == 0
    assert made(machine) == 2
    assert not (machine.project / ".venv" / "half").exists()


def test_a_machine_without_a_python_that_will_do_is_told(machine: Machine):
    machine.install("python3", "exit 1")
    done = machine.run("venv.sh", "demo")
    assert done.returncode == 1
    assert "No Python 3.11 or later" in done.stdout
    assert not (machine.project / ".venv").exists()


def test_a_python_can_be_named(machine: Machine):
    machine.install("python3", "exit 1")
    done = machine.run("venv.sh", "demo", PYTHON="python9")
    assert "among: python9." in done.stdout


MISSING = "faketime pgbouncer nginx postgresql redis-server"


def test_missing_servers_are_installed_where_we_may(machine: Machine, tmp_path: Path):
    machine.install("id", "echo 0")
    machine.install("apt-get", 'echo "$DEBIAN_FRONTEND" >>' + str(machine.log))
    machine.install("ls", "exit 2")
    assert machine.run("servers.sh").returncode == 0
    asked = [line for line in machine.ran() if not line.startswith(("id", "ls"))]
    assert asked == [
        "apt-get update -qq",
        "noninteractive",
        f"apt-get install -qq -y --no-install-recommends {MISSING}",
        "noninteractive",
    ]


def test_missing_servers_are_named_where_we_may_not_install_them(machine: Machine):
    machine.install("id", "echo 1000")
    machine.install("ls", "exit 2")
    for program in ("nginx", "pgbouncer", "redis-server", "faketime"):
        machine.install(program)
    done = machine.run("servers.sh")
    assert done.returncode == 1
    assert "Missing on this machine: postgresql\n" in done.stdout
    assert "sudo apt-get install postgresql" in done.stdout


def test_servers_that_are_there_are_left_alone(machine: Machine):
    for program in ("redis-server", "postgres", "nginx", "pgbouncer", "faketime"):
        machine.install(program)
    assert machine.run("servers.sh").returncode == 0
    assert machine.ran() == []


def test_what_can_t_be_had_is_told_and_nobody_waits_for_it(machine: Machine):
    for program in ("redis-server", "postgres", "nginx", "pgbouncer", "faketime"):
        machine.install(program)
    done = machine.run("servers.sh")
    assert done.returncode == 0
    assert "No current NGINX: there is no apt-get here" in done.stdout
    place = machine.project / "var" / "servers" / "nginx-current"
    assert f"Have it as {place}/nginx,\n" in done.stdout
    assert machine.run("nginx-current.sh").returncode == 1
    place.mkdir(parents=True)
    machine.install("found")
    (place / "nginx").symlink_to(machine.bin / "found")
    done = machine.run("nginx-current.sh")
    assert (done.returncode, done.stdout, machine.ran()) == (0, "", ["found -v"])


def test_the_peers_of_benches_are_named_where_they_are_missing(machine: Machine):
    machine.install("id", "echo 1000")
    machine.install("ls", "exit 2")
    machine.install("wrk")
    done = machine.run("peers.sh")
    assert done.returncode == 1
    assert "Missing on this machine: caddy haproxy\n" in done.stdout
