"""A shop from nothing: seeding, and a first ``runserver``."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from monolith.catalog import seeding
from monolith.catalog.models import Product
from monolith.identity.models import User
from tests.monolith.people import PASSWORD
from tests.servers import free_port

ROOT = Path(__file__).parents[3]


def seed(**options: Any) -> str:
    output = StringIO()
    options = {"products": 40, "customers": 5, "orders": 3, **options}
    call_command("seed", stdout=output, **options)
    return output.getvalue()


def rows() -> list[dict[str, Any]]:
    return list(Product.objects.order_by("sku").values("sku", "name", "amount", "attributes"))


@pytest.mark.django_db(transaction=True)
def test_the_same_seed_makes_the_same_shop_and_another_makes_another():
    seed()
    first, users = rows(), list(User.objects.order_by("username").values_list("id", "email"))
    assert len(first) == 40
    assert len(users) == 5

    for options, same in (({}, True), ({"seed": 2}, False)):
        call_command("flush", interactive=False, verbosity=0)
        seed(**options)
        assert (rows() == first) is same
        now = list(User.objects.order_by("username").values_list("id", "email"))
        assert (now == users) is same


@pytest.mark.django_db(transaction=True)
def test_a_shop_that_has_something_is_left_alone_unless_told():
    seed()
    with pytest.raises(CommandError, match="--append"):
        seed()
    assert Product.objects.count() == 40

    seed(append=True, products=10)
    assert Product.objects.count() == 50
    assert User.objects.count() == 10


@pytest.mark.django_db(transaction=True)
def test_what_is_seeded_is_believable():
    seed(products=300, customers=10)

    assert {product.price.currency for product in seeding.sample(1000)} == {"EUR"}
    sample = seeding.sample(7)
    assert len(sample) == 7
    assert all(product.active for product in sample)
    assert len(list(seeding.skus())) == len(set(seeding.skus())) == 300
    assert 0 < Product.objects.filter(active=False).count() < 40
    assert Product.objects.values("category").distinct().count() > 10
    assert not User.objects.get(username="customer-1").has_usable_password()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_a_size_too():
    seed(products=0, customers=0, orders=0)

    assert not Product.objects.exists()
    with pytest.raises(CommandError, match="--orders 0"):
        seed(products=0)
    with pytest.raises(CommandError, match="--orders 0"):
        seed(customers=0)


@pytest.mark.django_db(transaction=True)
def test_in_development_everybody_can_log_in(settings: Any, anybody: APIClient):
    settings.IDENTITY = {**settings.IDENTITY, "DEMO_PASSWORD": PASSWORD}
    output = seed()

    assert f"log in as demo with {PASSWORD}" in output
    for name, roles in (
        ("demo", ["customer"]),
        ("customer-5", ["customer"]),
        ("staff", ["customer", "staff"]),
    ):
        body = {"username": name, "password": PASSWORD}
        pair = anybody.post("/api/identity/token", body).json()
        me = anybody.get("/api/identity/me", headers={"authorization": f"Bearer {pair['access']}"})
        assert me.json()["roles"] == roles


@pytest.mark.parametrize("number", ["-1", "x", "1.5"])
def test_a_size_that_is_none_is_refused(number: str):
    with pytest.raises(CommandError, match="--products"):
        call_command("seed", f"--products={number}")


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, Path]]:
    """``manage.py runserver`` as a newcomer starts it, and its log."""
    port = free_port()
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", str(port)],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "VAR": str(folder / "var"), "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield f"http://127.0.0.1:{port}", log
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def ask(url: str, body: dict[str, Any] | None = None, token: str = "") -> Any:
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=5) as answer:
        return json.load(answer)


def wait_for(url: str, log: Path) -> None:
    until = time.monotonic() + 40
    while time.monotonic() < until:
        try:
            ask(f"{url}/readyz")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    pytest.fail(log.read_text())


def listened(database: Path, log: Path) -> None:
    """What the seeding has said has been carried, and handled."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with (
            closing(sqlite3.connect(database, timeout=10)) as connection,
            suppress(sqlite3.OperationalError),
        ):
            counts = [
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - ours
                for table in ("strangler_outbox", "strangler_queue", "shipping_inbox")
            ]
            if counts[:2] == [0, 0] and counts[2] > 0:
                return
        time.sleep(0.1)
    pytest.fail(log.read_text())


@pytest.mark.journey
def test_runserver_alone_is_a_working_shop(tmp_path: Path):
    with serving(tmp_path) as (url, log):
        wait_for(url, log)
        said = log.read_text()
        assert "setting up a small shop" in said
        found = re.search(r"log in as demo with (\S+)", said)
        assert found, said

        products = ask(f"{url}/api/catalog/products/?currency=EUR")
        assert products["count"] > 100
        login = {"username": "demo", "password": found[1]}
        pair = ask(f"{url}/api/identity/token", login)
        assert ask(f"{url}/api/identity/me", token=pair["access"])["username"] == "demo"
        with urllib.request.urlopen(f"{url}/admin/login/", timeout=5) as page:
            assert page.status == 200

        database = tmp_path / "var" / "monolith.sqlite3"
        listened(database, log)
        assert "wait:" not in log.read_text()

    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        before = connection.execute("SELECT count(*) FROM catalog_product").fetchone()

    with serving(tmp_path) as (url, log):
        wait_for(url, log)
        assert "setting up" not in log.read_text()
        assert ask(f"{url}/api/catalog/products/")["count"] == products["count"]
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM catalog_product").fetchone() == before
