from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from strangler.django import conf
from strangler.django.edge import proof
from strangler.ports.trust import secret
from strangler.routing.nginx import MADE
from tests.strangler.cli.conftest import Terminal
from tests.strangler.django.plane import Plane


@pytest.fixture
def folder(kit: Plane) -> Path:
    return kit.root / "nginx"


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_it_writes_what_the_manifest_says_and_says_what_is_stale(
    strangler: Terminal, folder: Path
) -> None:
    said = strangler("compile", "nginx", "--check")
    assert said.code == 1
    assert "nginx.conf is not what the manifest says: strangler compile nginx" in said.err
    assert not folder.exists(), "a check writes nothing"

    assert strangler("compile", "nginx").code == 0
    assert strangler("compile", "nginx", "--check").code == 0
    made = content(folder)
    assert all(text.startswith(MADE) for text in made.values())

    (folder / "routes.conf").write_text("# by hand")
    (folder / "decide.conf").unlink()
    (folder / "formerly.conf").write_text(f"{MADE}\n")
    (folder / "mine.conf").write_text("# somebody else's")
    said = strangler("compile", "nginx", "--check", "--json")
    assert (said.code, said.json["changed"]) == (1, ["decide.conf", "formerly.conf", "routes.conf"])
    assert strangler("compile", "nginx").code == 0
    assert content(folder) == made | {"mine.conf": "# somebody else's"}


def test_its_options_reach_the_files(strangler: Terminal, folder: Path) -> None:
    options = ["--table", "/srv/table", "--listen", "127.0.0.1:81", "--version", "1.28.0"]
    assert strangler("compile", "nginx", *options, "--retired", "pricing").code == 0
    made = content(folder)
    assert "if (-f /srv/table/current/$strangler_capability.$strangler_kind/" in made["decide.conf"]
    assert "listen 127.0.0.1:81;" in made["nginx.conf"]
    assert "keepalive_min_timeout" in made["nginx.conf"]
    assert made["routes.conf"].count("include retired.conf;") == 2
    assert strangler("compile", "nginx", "--check").code == 1, "other options, other files"
    options = ["--certificate", "/c.pem", "--certificate-key", "/k.pem", "--plain", "127.0.0.1:80"]
    said = strangler("compile", "nginx", *options)
    assert (said.code, "is to be sent somewhere" in said.err) == (1, True)
    manifest = strangler.plane.root / "capabilities.toml"
    site = '[edge]\nsite = "https://shop.example"'
    manifest.write_text(manifest.read_text().replace("[edge]", site))
    conf.manifest.cache_clear()
    assert strangler("compile", "nginx", *options).code == 0
    text = content(folder)["nginx.conf"]
    for line in ("ssl_certificate /c.pem;", "ssl_certificate_key /k.pem;", "listen 127.0.0.1:80;"):
        assert line in text


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--retired", "pricin"], 2, "no capability is named 'pricin': did you mean pricing?"),
        (["--version", "stable"], 2, "'stable' is no version, such as 1.22.1"),
        (["--table", "var/table"], 1, "name it by an absolute path"),
    ],
)
def test_what_it_can_t_do_it_says(
    strangler: Terminal, folder: Path, options: list[str], code: int, message: str
) -> None:
    said = strangler("compile", "nginx", *options)
    assert said.code == code
    assert message in " ".join(said.err.split())
    assert not folder.exists()


def test_the_secret_is_made_once_and_is_nobody_else_s_to_read(
    strangler: Terminal, folder: Path, settings: Any
) -> None:
    assert strangler("compile", "nginx").code == 0
    assert not (folder / "secret.map").exists()
    for _ in range(2):
        assert strangler("compile", "nginx", "--secret").code == 0
        kept = settings.STRANGLER["KEYS"] / secret.FILE
        given = folder / "secret.map"
        assert given.read_text() == f'edge "{kept.read_text()}";\n'
        assert len(kept.read_text()) == 64
        assert {stat.S_IMODE(path.stat().st_mode) for path in (kept, given)} == {0o600}
    assert proof.holds(kept.read_text())
    assert not proof.holds(kept.read_text()[:-1])
    assert not proof.holds("")
    assert strangler("compile", "nginx", "--check").code == 0
