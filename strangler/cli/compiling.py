"""Making the edge's configuration from the manifest."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from strangler.cli import render, session
from strangler.cli.facing import Certificate, CertificateKey, Listen, Plain, Resolver, Retired
from strangler.cli.session import AsJson
from strangler.ports.trust import clients
from strangler.ports.trust import secret as secret_of_edges
from strangler.routing.nginx import CLIENTS, MADE, Settings, clients_map, compiled

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make the configuration of an edge from the manifest.",
)

USUAL = Settings()
PROOF = "secret.map"
"""The file that has the edge's secret: made on each host, never committed, of no account here."""


@app.callback()
def edges() -> None:
    """Make the configuration of an edge from the manifest."""


@app.command()
def nginx(
    context: typer.Context,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where something would be written.")
    ] = False,
    secret: Annotated[
        bool,
        typer.Option(
            "--secret",
            help="Write secret.map too, by which the monolith knows the edge, and the digests of "
            "clients' keys.",
        ),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder", help="Where to; else nginx/ beside the manifest.", show_default=False
        ),
    ] = None,
    table: Annotated[
        str, typer.Option("--table", metavar="PATH", help="The routing table, as NGINX sees it.")
    ] = USUAL.table,
    listen: Listen = USUAL.listen,
    version: Annotated[
        str, typer.Option("--version", metavar="X.Y.Z", help="The NGINX that the files are for.")
    ] = ".".join(map(str, USUAL.version)),
    resolver: Resolver = None,
    certificate: Certificate = None,
    certificate_key: CertificateKey = None,
    plain: Plain = None,
    retired: Retired = None,
    as_json: AsJson = False,
) -> None:
    """Compile the manifest to an NGINX: files to read, to commit, and to include.

    They change only when the manifest does: which arm answers, NGINX asks the routing table.

    \b
    strangler compile nginx
    strangler compile nginx --check
    strangler compile nginx --folder /etc/nginx/strangler --table /var/lib/strangler --secret
    """
    session.begin(context)
    from strangler.django import conf
    from strangler.django.control_plane import state

    manifest = conf.manifest()
    settings = Settings(
        table=table,
        listen=listen,
        version=_version(version),
        resolver=resolver,
        certificate=certificate,
        certificate_key=certificate_key,
        plain=plain,
        retired=frozenset(state.capability(name).name for name in retired or ()),
    )
    files = dict(compiled(manifest, settings))
    folder = folder or conf.settings().manifest.parent / "nginx"
    changed = _changed(folder, files)
    if not check:
        _write(folder, files, changed)
        if secret:
            keys = conf.settings().keys
            _give(folder / PROOF, f'edge "{secret_of_edges.make(keys)}";\n')
            _give(folder / CLIENTS, clients_map(manifest, clients.read(keys)))
    if as_json:
        render.dump({"folder": str(folder), "files": sorted(files), "changed": changed})
    elif check:
        for name in changed:
            render.complain(
                f"{folder / name} is not what the manifest says: strangler compile nginx"
            )
        if not changed:
            render.say(f"{folder} is what the manifest says")
    else:
        render.say(f"{len(changed)} of {len(files)} files in {folder} have changed")
    raise typer.Exit(1 if check and changed else 0)


def _version(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d{1,4}(\.\d{1,4}){1,2}", text):
        raise typer.BadParameter(f"{text!r} is no version, such as 1.22.1", param_hint="--version")
    return tuple(map(int, text.split(".")))


def _changed(folder: Path, files: Mapping[str, str]) -> list[str]:
    """The files that are missing, or differ, or were compiled once and are none of these now."""
    there = {path.name for path in folder.glob("*.conf") if (_read(path) or "").startswith(MADE)}
    differ = {name for name, text in files.items() if _read(folder / name) != text}
    return sorted(differ | (there - files.keys()))


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _write(folder: Path, files: Mapping[str, str], changed: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name not in files:
            (folder / name).unlink()
            continue
        draft = folder / f".{name}.{os.getpid()}"
        draft.write_text(files[name], encoding="utf-8")
        draft.replace(folder / name)


def _give(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    draft.replace(path)
