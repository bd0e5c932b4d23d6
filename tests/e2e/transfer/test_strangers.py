"""Whoever writes past the door: named while the monolith owns, denied once the service does."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import httpx

from demo.processes import ROOT
from demo.shop import PASSWORD
from strangler.ladder import Stage
from tests.e2e.transfer.street import Street

JOBS = "tests.e2e.transfer.jobs"


def named(street: Street, code: str) -> str | None:
    """A warehouse's name in the monolith's books."""
    found = street.rows("monolith", "SELECT code, name FROM inventory_warehouse")
    return dict(map(tuple, found)).get(code)


def test_they_are_named_while_the_monolith_owns_and_hold_up_the_climb(sqlite: Street) -> None:
    sqlite.stand(Stage.CANARY)
    with sqlite.client() as client:
        assert client.get("/visited?by=ann").status_code == 200
    assert named(sqlite, "visits") == "ann"
    assert sqlite.hand.call(f"{JOBS}:run_rename", "visits", "job") == "1"
    sqlite.until(lambda: len(_strangers(sqlite)) == 2)
    assert _strangers(sqlite) == {
        "tests.e2e.transfer.urls.visited", "celery:tests.e2e.transfer.jobs.rename"
    }  # fmt: skip
    said = sqlite.hand.strangler("advance", "inventory", "--to", "live")
    assert said.code != 0
    assert any(
        "urls.visited" in one["message"] and "jobs.rename" in one["message"]
        for one in said.answer["verdicts"]
    ), said


def _strangers(street: Street) -> set[str]:
    return {one["name"] for one in street.seen()["writers"] if not one["door"]}


def test_they_are_denied_once_the_service_owns(sqlite: Street) -> None:
    sqlite.stand(Stage.LIVE)
    before = named(sqlite, "visits"), named(sqlite, "ber")
    with sqlite.client() as client:
        answer = client.get("/visited?by=bob")
        assert answer.status_code == 409
        assert answer.json()["error"] == "Fenced"
        assert "tests.e2e.transfer.urls.visited" in answer.json()["message"]
    said = sqlite.hand.call(f"{JOBS}:run_rename", "ber", "late")
    assert said.startswith("celery:tests.e2e.transfer.jobs.rename: ")
    assert "service" in said
    assert sqlite.hand.call(f"{JOBS}:run_in_time", "ber", "late") == ["skipped"]
    assert sqlite.hand.call(f"{JOBS}:run_timer") == 0
    assert (named(sqlite, "visits"), named(sqlite, "ber")) == before
    log = (sqlite.shop.log / "monolith.log").read_text()
    assert re.search(r"inventory: a write of tests.e2e.transfer.urls.visited is refused", log)


def test_an_admin_s_save_is_denied_and_nothing_of_it_stays(sqlite: Street) -> None:
    sqlite.stand(Stage.LIVE)
    ((key,),) = sqlite.rows("monolith", "SELECT id FROM inventory_warehouse WHERE code = 'ber'")
    entries = "SELECT count(*) FROM django_admin_log"
    before = sqlite.rows("monolith", entries), named(sqlite, "ber")
    with sqlite.client() as client:
        _log_in(client)
        page = f"/admin/inventory/warehouse/{key}/change/"
        form = {"code": "ber", "name": "Bonn", "rank": "1", **_token(client.get(page))}
        answer = client.post(page, data=form)
    assert answer.status_code == 409, answer.text
    assert "admin:inventory_warehouse_change" in answer.text
    assert (sqlite.rows("monolith", entries), named(sqlite, "ber")) == before


def _log_in(client: httpx.Client) -> None:
    form = {"username": "staff", "password": PASSWORD}
    client.post("/admin/login/", data={**form, **_token(client.get("/admin/login/"))})


def _token(page: httpx.Response) -> dict[str, str]:
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert found is not None, page.text[:500]
    return {"csrfmiddlewaretoken": found[1]}


def test_a_management_command_is_denied_and_named(sqlite: Street) -> None:
    sqlite.stand(Stage.LIVE)
    stocks = "SELECT count(*) FROM inventory_stock"
    before = sqlite.rows("monolith", stocks)
    done = subprocess.run(
        [sys.executable, "manage.py", "seed", "--append", "--products", "20", "--customers", "0",
         "--orders", "0"],
        cwd=ROOT, env={**os.environ, **sqlite.shop.env}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "manage.py seed" in done.stdout + done.stderr
    assert "inventory" in done.stderr.splitlines()[-1]
    assert sqlite.rows("monolith", stocks) == before
