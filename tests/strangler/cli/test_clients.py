"""Giving clients keys, and taking them away."""

from __future__ import annotations

import json
import re

from strangler.cli import run
from strangler.ports.trust import clients
from tests.strangler.cli.conftest import Terminal


def test_a_key_is_shown_once_and_holds_until_it_is_revoked(strangler: Terminal) -> None:
    said = strangler("clients", "list")
    assert (said.code, said.out) == (0, "no client has a key: strangler clients add --help\n")
    said = strangler("clients", "add", "acme", "--capability", "pricing")
    assert said.code == 0
    name = re.fullmatch(r"(acme\.[0-9a-f]{8})\.[\w-]{43}\n", said.out)
    assert name
    assert "shown only now" in said.err
    made = strangler("clients", "add", "zeta", "--json").json
    assert clients.digest(made["key"])

    said = strangler("clients", "list")
    assert [line.split()[:2] for line in said.out.splitlines()[-2:]] == [
        [name[1], "pricing"],
        [made["id"], "everything"],
    ]
    assert strangler("clients", "revoke", made["id"]).out == f"revoked {made['id']}\n"
    assert strangler("clients", "revoke", "acme", "--json").json["revoked"][0]["id"] == name[1]
    assert strangler("clients", "list", "--json").json == {"keys": []}


def test_what_it_can_t_do_it_says(strangler: Terminal) -> None:
    for arguments, message in [
        (["add", "Acme"], "'Acme' is no name"),
        (["add", "acme", "--capability", "pricin"], "do you mean pricing?"),
        (["revoke", "acme"], "nobody has a key 'acme'"),
    ]:
        said = strangler("clients", *arguments)
        assert said.code == 2, arguments
        assert message in " ".join(said.err.split())
    path = strangler.plane.root / "keys" / clients.FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text("[")
    said = strangler("clients", "list", "--folder", str(path.parent), "--json")
    assert (said.code, json.loads(said.out)["error"]) == (1, "ClientsUnusable")


def test_an_edge_compiled_by_hand_knows_them_too(strangler: Terminal) -> None:
    manifest = strangler.plane.root / "capabilities.toml"
    if not manifest.exists():
        (manifest,) = strangler.plane.root.rglob("capabilities.toml")
    manifest.write_text(
        manifest.read_text() + '\n[capability.pricing.gateway]\nkey = "X-Api-Key"\n'
    )
    key = strangler("clients", "add", "acme", "--json").json
    assert strangler("compile", "nginx", "--secret").code == 0
    path = manifest.parent / "nginx" / "clients.map"
    assert path.read_text() == f'"pricing {key["id"]}" "{clients.digest(key["key"])}";\n'
    assert path.stat().st_mode & 0o777 == 0o600
    assert run(["clients", "--help"]) == 0
