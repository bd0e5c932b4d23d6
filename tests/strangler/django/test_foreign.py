"""The kit in a project that it knows nothing about: no accounts, two databases, local time."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tests.strangler.django.foreign import MIGRATE, Foreign

CLIMB = """
from strangler.cli import run

def strangler(*arguments):
    print("$", *arguments, flush=True)
    print("->", run(["--actor", "eve", *arguments]), flush=True)

call_command("check")
strangler("keys", "monolith", "billing")
strangler("advance", "billing")
strangler("advance", "billing", "--force", "--reason", "a test")
strangler("advance", "billing", "--force", "--reason", "a test")
strangler("explain", "GET", "/de/rechnungen/7", "--cohort", "5")
strangler("rollback", "billing", "--if-revision", "1")
strangler("rollback", "billing")
strangler("history")
"""
FREEZE = """
from strangler.cli import run
for what in ("check", "freeze", "check"):
    print("->", run(["contracts", what]), flush=True)
"""
PAGES = """
from django.test import Client
from shop.billing.contract import Billing
from strangler.ports.bind import bind

answer = Client().get("/de/rechnungen/7")
assert answer.json() == {"lang": "de", "number": 7}, answer.content
assert answer.headers["X-Strangler-Arm"] == "monolith"
assert bind(Billing).total(7) == 7
"""


def test_a_climb_in_somebody_else_s_project(tmp_path: Path) -> None:
    shop = Foreign(tmp_path)
    fresh = shop.strangler("status")
    assert fresh.returncode == 1
    said = " ".join(fresh.stdout.split())
    assert "database 'plane' (" in said
    assert "make its tables: manage.py migrate strangler --database plane" in said

    done = shop.python(MIGRATE + CLIMB)
    assert done.returncode == 0, done.stderr
    codes = [line for line in done.stdout.splitlines() if line.startswith("->")]
    assert codes == [f"-> {code}" for code in (0, 1, 0, 0, 0, 1, 0, 0)], done.stdout
    assert "strangler.W002" in done.stderr, "it had no keys yet, and was told so"
    assert "by the route /*/rechnungen/" in done.stdout
    assert "the service has 10 % of the queries" in done.stdout
    assert "you have seen revision 1, and it is 2" in " ".join(done.stderr.split())
    assert "rollback: canary 10 % → shadow" in done.stdout

    (billing,) = json.loads(shop.strangler("status", "--json").stdout)["capabilities"]
    assert (billing["stage"], billing["owner"], billing["tables"]) == ("shadow", "monolith", False)
    assert _tables(tmp_path / "plane.sqlite3") > {"strangler_change", "strangler_controlplane"}
    assert not _tables(tmp_path / "shop.sqlite3")

    done = shop.python(PAGES)
    assert done.returncode == 0, done.stderr


def test_its_contracts_are_frozen_beside_them(tmp_path: Path) -> None:
    shop = Foreign(tmp_path)
    contract = shop.project / "shop" / "billing" / "contract.py"
    frozen = contract.parent / "frozen" / "billing.json"

    done = shop.python(FREEZE)
    assert "frozen: frozen/billing.json (1 operation)\n" in done.stdout
    assert "frozen as they were" not in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("->")] == [
        "-> 1",
        "-> 0",
        "-> 0",
    ], done.stdout + done.stderr
    assert json.loads(frozen.read_text())["capability"] == "billing"

    contract.write_text(contract.read_text().replace("number: int", "invoice: int"))
    before = frozen.read_text()
    done = shop.strangler("contracts", "check")
    assert done.returncode == 1
    assert "billing.total" in done.stderr
    done = shop.strangler("contracts", "freeze", "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["frozen"] is False
    assert {change["compatible"] for change in said["changes"]} == {False}
    assert frozen.read_text() == before
    done = shop.strangler("contracts", "freeze", "--reason", "nobody calls it yet")
    assert done.returncode == 0, done.stderr
    assert "nobody calls it yet" in frozen.read_text()


def _tables(database: Path) -> set[str]:
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    return {name for (name,) in rows if name.startswith("strangler")}
