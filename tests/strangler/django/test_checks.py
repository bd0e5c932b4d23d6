"""What ``manage.py check`` says about a project that is not ready."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strangler.django import checks, conf
from strangler.ports.trust import clients, secret
from strangler.ports.trust.keys import generate
from tests.strangler.django.plane import MANIFEST

GOOD = ["django.contrib.auth.middleware.AuthenticationMiddleware", f"{checks.MIDDLEWARE}Edge"]


@pytest.fixture
def project(tmp_path: Path, settings: Any) -> Callable[..., list[str]]:
    """Checks a project: by default a good one, but for what the arguments say."""

    def check(
        manifest: str | None = None, middleware: list[str] = GOOD, **changes: Any
    ) -> list[str]:
        text = MANIFEST.format(service="http://127.0.0.1:9", more="")
        (tmp_path / "capabilities.toml").write_text(manifest or text)
        settings.MIDDLEWARE = middleware
        settings.STRANGLER = {
            "MANIFEST": tmp_path / "capabilities.toml",
            "TABLE": tmp_path / "table",
            "KEYS": tmp_path / "keys",
            **changes,
        }
        return [f"{message.id} {message.msg}" for message in checks.run()]

    generate(tmp_path / "keys", "monolith")
    return check


Check = Callable[..., list[str]]


def test_all_is_well(project: Check) -> None:
    assert project() == []


def test_no_settings_at_all(settings: Any) -> None:
    del settings.STRANGLER
    (message,) = checks.run()
    assert message.id == "strangler.E001"
    assert message.msg.startswith(
        'the setting STRANGLER is missing: make it a dict with "MANIFEST"'
    )


def test_all_mistakes_in_the_settings_at_once(settings: Any) -> None:
    settings.STRANGLER = {"MANIFEST": 7, "TABEL": "x", "EDGE": "apache", "WIRING": ["x"]}
    settings.STRANGLER |= {"WAITING": 0, "OUTBOX": "many", "SAGAS_KEPT": 0}
    said = [message.msg for message in checks.run()]
    assert said == [
        f"STRANGLER has no key 'TABEL': it knows {', '.join(sorted(conf._KEYS))}",
        'STRANGLER lacks "TABLE": give it the path of the folder to keep the routing table in',
        'STRANGLER lacks "KEYS": give it the path of the folder that holds the parties\' keys',
        'STRANGLER["MANIFEST"] is 7: make it a path',
        "STRANGLER[\"WIRING\"] is ['x']: make it a string, or leave it out",
        'STRANGLER["WAITING"] is 0: make it a number, 1 at least',
        "STRANGLER[\"OUTBOX\"] is 'many': make it a number, 1 at least, or None",
        'STRANGLER["SAGAS_KEPT"] is 0: make it a number of days, 1 at least, or None',
        'STRANGLER_EDGE is \'apache\': make it "middleware" or "nginx"',
    ]


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = {"MANIFEST": "a", "TABLE": "/b", "KEYS": "/c", "EDGE": "middleware"}
    read = conf.read(raw, {"STRANGLER_EDGE": "nginx", "STRANGLER_TABLE": "/run/table"})
    assert (read.edge, read.table, read.keys) == (conf.Edge.NGINX, Path("/run/table"), Path("/c"))
    assert read.manifest.is_absolute()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"DATABASE": "nowhere"},
            "E001 STRANGLER[\"DATABASE\"] is 'nowhere', and DATABASES has no",
        ),
        (
            {"WIRING": "shop.nowhere"},
            "E001 STRANGLER[\"WIRING\"] is 'shop.nowhere', and there is no",
        ),
        ({"IDENTIFY": "os.nobody"}, "E001 STRANGLER[\"IDENTIFY\"] is 'os.nobody': Module"),
        (
            {"IDENTIFY": "os.curdir"},
            "E001 STRANGLER[\"IDENTIFY\"] is 'os.curdir': it can't be called",
        ),
        ({"TABLE": "/etc/passwd/x"}, "W001 the routing table's folder /etc/passwd/x can't be"),
        ({"PARTY": "shop"}, "W002 calls to services can't be signed: "),
        ({"EDGE": "nginx"}, "W005 the edge in front can't prove itself: there is no "),
        (
            {"middleware": GOOD[:1]},
            "E005 MIDDLEWARE has 0 entries of strangler.django.middleware.*",
        ),
        ({"middleware": [*GOOD, GOOD[1]]}, "E005 MIDDLEWARE has 2 entries"),
        ({"middleware": GOOD[::-1]}, "E005 strangler.django.middleware.Edge stands before django"),
    ],
)
def test_one_mistake(project: Check, changes: dict[str, Any], said: str) -> None:
    (message,) = project(**changes)
    assert message.startswith(f"strangler.{said}")


def test_what_the_middleware_does_not_do_is_said_in_production(
    project: Check, settings: Any
) -> None:
    text = MANIFEST.format(service="http://127.0.0.1:9", more='gateway = { rate = "5/s" }')
    (message,) = project(text)
    assert message.startswith("strangler.W006 the manifest asks for a gateway (pricing), and the")
    (message,) = project(text.replace("[edge]", '[edge]\nhsts = "1h"'))
    assert "(the edge, pricing)" in message
    settings.DEBUG = True
    assert project(text) == []
    settings.DEBUG = False
    (message,) = project(text, EDGE="nginx")
    assert "W005" in message


def test_who_wants_keys_that_nobody_has_is_named(project: Check, tmp_path: Path) -> None:
    text = MANIFEST.format(service="http://127.0.0.1:9", more='gateway = { key = "X-Api-Key" }')
    secret.make(tmp_path / "keys")
    (message,) = project(text, EDGE="nginx")
    assert message.startswith("strangler.W007 nobody can ask pricing: an API key is wanted")
    clients.add(tmp_path / "keys", "acme", ["catalog"])
    assert len(project(text, EDGE="nginx")) == 1
    clients.add(tmp_path / "keys", "acme", ["pricing"])
    assert project(text, EDGE="nginx") == []
    (tmp_path / "keys" / clients.FILE).write_text("[")
    (message,) = project(text, EDGE="nginx")
    assert "clients.json" in message


def test_every_problem_of_the_manifest_is_a_message(project: Check) -> None:
    text = MANIFEST.format(service="ftp://x", more="colour = 1")
    said = project(text)
    assert len(said) >= 3
    assert all(one.startswith("strangler.E002 ") for one in said)
    assert any("capability.pricing.colour" in one for one in said)


def test_contexts_and_contracts(project: Check) -> None:
    text = MANIFEST.format(service="http://127.0.0.1:9", more="")
    text = text.replace("monolith.catalog", "monolith.nowhere")
    text = text.replace("contracts.pricing:Pricing", "contracts.inventory:Inventory")
    context, contract = project(text)
    assert context == (
        "strangler.E003 capability.catalog.context is 'monolith.nowhere', and no installed app "
        "contains that"
    )
    assert contract == (
        "strangler.E004 capability.pricing.contract: contracts.inventory:Inventory is the port of "
        "'inventory': name the one of 'pricing'"
    )


@pytest.mark.parametrize(
    ("contract", "said"),
    [
        ("contracts.nowhere:Pricing", "can't be imported: ModuleNotFoundError"),
        ("contracts.pricing:Nobody", "can't be imported: AttributeError"),
        ("contracts.pricing:Quote", "is no port: derive it from Port"),
    ],
)
def test_contracts_that_can_t_be_used(project: Check, contract: str, said: str) -> None:
    text = MANIFEST.format(service="http://127.0.0.1:9", more="")
    (message,) = project(text.replace("contracts.pricing:Pricing", contract))
    assert f"{contract} {said}" in message


def test_other_apps_checks_do_not_run_ours(settings: Any) -> None:
    from django.apps import apps

    del settings.STRANGLER
    assert checks.run([apps.get_app_config("auth")]) == []
    assert len(checks.run([apps.get_app_config("strangler")])) == 1
