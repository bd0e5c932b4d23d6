"""What `make secrets` makes: keys, and roles of databases, none of whom is a superuser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml
from psycopg import sql

from strangler.django.transfer.places import MONOLITH, service_variable
from strangler.ladder import Arm
from strangler.ports.trust.keys import Keyring
from strangler.transfer.postgres import PostgresDatabase
from tests.docs.reading import blocks
from tests.repository.locks import ROOT
from tests.servers import Postgres

pytestmark = pytest.mark.journey

HOW_TO = ROOT / "docs" / "how-to" / "move-tables.md"
SERVICES = {"catalog", "inventory", "notifications", "pricing"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with secrets."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / "secrets.sh", folder / "requirements")
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "manage.py").symlink_to(ROOT / "manage.py")
    make(folder)
    return folder


def make(project: Path) -> str:
    done = subprocess.run(
        [project / "requirements" / "secrets.sh"],
        cwd=project,
        env={"PATH": os.environ["PATH"], "VAR": str(project / "var")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def environment(project: Path, name: str) -> dict[str, str]:
    lines = (project / "var" / "secrets" / f"{name}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_secrets_are_those_that_compose_mounts(project: Path):
    folder = project / "var" / "secrets"
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    environments = {
        Path(file).name
        for service in compose["services"].values()
        for file in re.findall(r"var/secrets/[a-z]+\.env", str(service.get("env_file")))
    }
    assert {path.name for path in folder.iterdir()} == {*environments, *compose["secrets"]}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert Keyring.load(folder, "monolith").parties.keys() == {"monolith", "edge", *SERVICES}
    assert all(Keyring.load(folder, service).own for service in {*SERVICES, "edge"})


def test_secrets_are_made_once(project: Path):
    before = environment(project, "monolith")
    assert "is there already" in make(project)
    assert environment(project, "monolith") == before


def test_no_two_secrets_are_the_same(project: Path):
    words = re.findall(
        r"[\w-]{64}",
        "\n".join(
            path.read_text()
            for path in (project / "var" / "secrets").iterdir()
            if path.suffix in {"", ".env"}
        ),
    )
    assert len(words) == len(set(words)) == 2 + 4 * 3  # each server's superuser, owner, mover


def test_the_mover_is_told_the_way_to_every_database_that_rows_flow_to(project: Path):
    manifest = tomllib.loads((ROOT / "router" / "capabilities.toml").read_text())
    flowing = {name for name, one in manifest["capability"].items() if "transfer" in one}
    assert environment(project, "mover").keys() == {MONOLITH, *map(service_variable, flowing)}


@dataclass(frozen=True)
class Made:
    """A database as its container makes it, on the tests' server."""

    superuser: str
    owner: str
    mover: str
    script: str


@pytest.fixture(scope="module", params=["shop", "catalog", "inventory", "notifications"])
def made(request: pytest.FixtureRequest, project: Path, postgres: Postgres) -> Iterator[Made]:
    """The script has run as the image's entrypoint runs it: as superuser, in an empty database."""
    name: str = request.param
    url = environment(project, "monolith" if name == "shop" else name)[
        "DATABASE_URL" if name == "shop" else f"{name.upper()}_DATABASE_URL"
    ]
    mover = environment(project, "mover")[MONOLITH if name == "shop" else service_variable(name)]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    server = urlsplit(url).hostname or ""
    assert compose[server]["environment"]["POSTGRES_DB"] == name
    script = project / "var" / "secrets" / f"{server.replace('-', '_')}.sql"

    identifier = sql.Identifier(name)
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
    try:
        with psycopg.connect(postgres.url(name), autocommit=True) as admin:
            admin.execute(script.read_bytes())
        here = f"@127.0.0.1:{postgres.port}/"
        yield Made(
            postgres.url(name),
            url.replace(f"@{server}:5432/", here),
            mover.replace(f"@{server}:5432/", here),
            script.read_text(),
        )
    finally:
        with psycopg.connect(postgres.url(), autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))
            admin.execute(sql.SQL("DROP ROLE IF EXISTS {}, mover").format(identifier))


@pytest.mark.postgres
def test_a_database_belongs_to_its_owner_and_the_mover_can_do_its_work(made: Made):
    with psycopg.connect(made.owner, autocommit=True) as owner:
        owner.execute("CREATE TABLE parcel (id bigint PRIMARY KEY, label text)")
        database = PostgresDatabase(
            made.mover, capability="parcels", arm=Arm.MONOLITH, tables=["parcel"]
        )
        mover = database.session()
        try:
            mover.install(owner=Arm.MONOLITH, epoch=1)
            assert mover.missing() == []
            mover.seize(1)
            with mover.step(token=1, epoch=1) as step:
                step.capture(on=True, patience=5)
            owner.execute("INSERT INTO parcel VALUES (1, 'fragile')")
            assert mover.pending() == 1
            mover.quieten(on=True)
            with mover.step(token=1, epoch=1) as step:
                step.fence(up=True, patience=5)
            with pytest.raises(psycopg.DatabaseError, match="fence of parcels"):
                owner.execute("INSERT INTO parcel VALUES (2, 'glass')")
        finally:
            mover.close()


@pytest.mark.postgres
def test_nobody_who_is_told_a_url_is_a_superuser_or_can_become_one(made: Made):
    for url in (made.owner, made.mover):
        with psycopg.connect(url, autocommit=True) as connection:
            powers = connection.execute(
                "SELECT session_user, bool_or(rolsuper OR rolcreaterole OR rolcreatedb"
                " OR rolreplication OR rolbypassrls)"
                " FROM pg_roles WHERE pg_has_role(oid, 'MEMBER')"
            ).fetchone()
            assert powers == (urlsplit(url).username, False)
    with (
        psycopg.connect(made.owner, autocommit=True) as owner,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        owner.execute("SET SESSION AUTHORIZATION mover")  # whom the fence lets pass


@pytest.mark.postgres
def test_each_role_has_the_password_of_its_url(made: Made):
    for url in (made.owner, made.mover):
        said = urlsplit(url)
        assert f"CREATE ROLE {said.username} LOGIN PASSWORD '{said.password}';" in made.script


@pytest.mark.postgres
def test_the_mover_is_granted_what_the_how_to_says_and_no_more(made: Made):
    (page,) = (block.text for block in blocks(HOW_TO) if block.text.startswith("CREATE ROLE"))
    name = urlsplit(made.owner).username
    told = {
        re.sub(r"\bshop\b", str(name), line)
        for line in page.splitlines()
        if line.startswith("GRANT")
    }
    assert {line for line in made.script.splitlines() if line.startswith("GRANT")} == told
