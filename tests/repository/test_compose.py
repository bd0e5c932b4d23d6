"""compose.yaml fits the Dockerfile, the manifest and itself."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import Any

import pytest
import yaml

from tests.repository.images import Image
from tests.repository.locks import ROOT

DJANGO = {"monolith", "control", "worker", "beat", "mover", "relay", "consumer", "migrate"}
SERVICES = {"catalog", "inventory", "notifications", "pricing"}
MIGRATIONS = {"catalog-migrate", "inventory-migrate", "notifications-migrate"}
OWN = DJANGO | SERVICES | MIGRATIONS | {"edge", "provider"}
BOUGHT = {"postgres", "catalog-postgres", "inventory-postgres", "notifications-postgres", "redis"}


@cache
def system() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return document


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = system()["services"]
    return found


def secrets(service: dict[str, Any]) -> dict[str, str]:
    """Where each secret is, in a service's container."""
    said = service.get("secrets", [])
    return dict(
        (one["source"], one["target"]) if isinstance(one, dict) else (one, f"/run/secrets/{one}")
        for one in said
    )


def test_the_whole_system_is_there():
    assert services().keys() == OWN | BOUGHT


def test_every_image_that_is_built_has_its_target_and_every_other_a_version():
    built = {
        service["image"]: service["build"] for service in services().values() if "build" in service
    }
    for name, service in services().items():
        if name in OWN:
            assert Image(built[service["image"]]["target"]).last("USER") == "app"
        else:
            assert re.fullmatch(r"[a-z]+:\d+(\.\d+)?-bookworm", service["image"])


@pytest.mark.parametrize("name", sorted(OWN | BOUGHT))
def test_whoever_is_waited_for_can_be(name: str):
    built = {one["image"]: one["build"]["target"] for one in services().values() if "build" in one}
    for dependency, how in services()[name].get("depends_on", {}).items():
        other = services()[dependency]
        if how["condition"] == "service_healthy":
            target = built.get(other["image"])
            assert "test" in other.get("healthcheck", {}) or (
                target is not None and Image(target).last("HEALTHCHECK") not in {None, "NONE"}
            )
        else:
            assert how["condition"] == "service_completed_successfully"
            assert other["restart"] == "no"


def test_the_database_is_migrated_before_anybody_uses_it():
    commands = services()["migrate"]["command"][-1].split(" && ")
    assert commands == [
        "python manage.py migrate --no-input",
        "python manage.py strangler publish",
    ]
    for name in ("monolith", "control", "worker", "mover", "relay", "consumer"):
        assert "migrate" in services()[name]["depends_on"]
    for name in ("mover", "relay"):
        assert services()[name]["depends_on"].keys() > MIGRATIONS
    for name in MIGRATIONS:
        service = name.removesuffix("-migrate")
        assert services()[name]["command"] == ["python", "-m", f"extracted.{service}", "migrate"]
        assert name in services()[service]["depends_on"]
        assert services()[name]["env_file"] == services()[service]["env_file"]


@pytest.mark.parametrize("name", sorted(OWN | BOUGHT))
def test_secrets_and_volumes_are_declared(name: str):
    service = services()[name]
    assert secrets(service).keys() <= system()["secrets"].keys()
    volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}
    assert volumes <= system()["volumes"].keys()


def test_nothing_is_declared_in_vain():
    used = {secret for service in services().values() for secret in secrets(service)}
    assert used == system()["secrets"].keys()
    for name, secret in system()["secrets"].items():
        assert secret == {"file": f"var/secrets/{name}"}


def test_a_private_key_is_where_its_party_runs_and_nowhere_else():
    for name, service in services().items():
        private = {text for text in secrets(service) if text.endswith(".private.json")}
        party = "monolith" if name in DJANGO else name
        keyless = BOUGHT | MIGRATIONS | {"provider"}
        assert private == (set() if name in keyless else {f"{party}.private.json"})


def test_who_moves_rows_is_told_the_way_to_each_database_and_nobody_else():
    for name, service in services().items():
        files = service.get("env_file", [])
        told = "var/secrets/mover.env" in ([files] if isinstance(files, str) else files)
        assert told == (name in {"monolith", "mover", "relay"}), name
        assert not told or "var/secrets/monolith.env" in files


def test_a_database_makes_its_roles_when_it_makes_itself():
    for name in BOUGHT - {"redis"}:
        service, file = services()[name], name.replace("-", "_")
        assert secrets(service)[f"{file}.sql"] == f"/docker-entrypoint-initdb.d/{file}.sql"
        assert (
            secrets(service)[f"{file}_password"]
            == (service["environment"]["POSTGRES_PASSWORD_FILE"])
        )
        # Whoever that names is a superuser: not the owner of the tables, whom a fence has to stop.
        assert "POSTGRES_USER" not in service["environment"]


def test_no_secret_is_written_down():
    text = (ROOT / "compose.yaml").read_text()
    assert not re.search(r"(?i)(SECRET_KEY|PASSWORD|DATABASE(_URL)?): (?!/run/secrets/)", text)


def test_addresses_are_those_of_services_and_their_ports():
    ports = {
        "monolith": "8000", "catalog": "8101", "pricing": "8102", "inventory": "8103",
        "notifications": "8108", "provider": "8200",
    }  # fmt: skip
    for service in services().values():
        for name, value in service.get("environment", {}).items():
            if name.endswith("_URL") and value.startswith("http"):
                host, port = value.removeprefix("http://").split(":")
                assert ports[host] == port == Image(host).last("EXPOSE")
    manifest = tomllib.loads((ROOT / "router" / "capabilities.toml").read_text())
    for name in SERVICES:
        assert manifest["capability"][name]["service"][0].endswith(ports[name])


def test_the_provider_tells_the_edge_and_is_known_to_whoever_charges():
    command = services()["provider"]["command"]
    image = Image("provider").command()
    assert command[: len(image)] == image
    assert command[len(image) :] == [
        "--webhook",
        f"http://edge:{Image('edge').last('EXPOSE')}/api/payments/webhooks/sandbox",
    ]
    for name in DJANGO:
        assert services()[name]["environment"]["PAYMENTS_PROVIDER_URL"] == "http://provider:8200"
        assert "edge" in services()[name]["environment"]["ALLOWED_HOSTS"].split(",")


def test_the_secret_of_webhooks_is_where_they_are_sent_from_and_heard():
    knowing = {
        name
        for name, service in services().items()
        if "var/secrets/provider.env" in str(service.get("env_file"))
    }
    assert knowing == {"provider", "monolith"}


def test_agents_wait_where_others_can_still_be_answered():
    control = services()["control"]
    assert control["image"] == services()["monolith"]["image"]
    command = control["command"]
    assert command[command.index("--worker-class") + 1] == "gthread"
    edge = services()["edge"]
    assert edge["environment"]["STRANGLER_CONTROL"] == "http://control:8000"
    assert command[command.index("--bind") + 1] == "0.0.0.0:8000"
    # What proves an edge is known to whom it proves itself, and to nobody else.
    proved = {name for name, one in services().items() if "edge.secret" in secrets(one)}
    assert proved == DJANGO | {"edge"}
    told = {name for name in edge["environment"] if name.endswith("_URL")}
    assert told == {f"STRANGLER_{name.upper()}_URL" for name in {"monolith", *SERVICES}}


def test_only_the_edge_is_published_and_only_to_this_machine():
    published = {
        name: service["ports"] for name, service in services().items() if "ports" in service
    }
    assert published == {"edge": ["127.0.0.1:8000:8080"]}
    assert Image("edge").last("EXPOSE") == "8080"
