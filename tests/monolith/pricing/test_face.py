"""Pricing's HTTP face in the monolith: the corpus, and what a wire can do to a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from contracts.catalog import Catalog
from contracts.pricing import Pricing
from monolith.pricing import service
from strangler.ports.declare import methods
from strangler.ports.errors import TimedOut, Unreachable
from strangler.ports.face import Face, normalise
from strangler.ports.testing import serving
from tests.parity.corpus import CASES, RULES, Case, CorpusCatalog

URL = "/api/pricing/quote"


@pytest.fixture(autouse=True)
def _rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PRICING_RULES", str(RULES))
    service.load_once.cache_clear()
    yield
    service.load_once.cache_clear()


@pytest.fixture(autouse=True)
def catalog() -> Iterator[CorpusCatalog]:
    catalog = CorpusCatalog()
    with serving(Catalog, catalog):
        yield catalog


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_corpus(case: Case):
    # Django's client leaves the type of an empty body out, unless it is told twice.
    answer = Client().generic("POST", URL, case.body, CONTENT_TYPE=case.content_type)

    assert (answer.status_code, answer.json()) == (case.status, case.answer)


def test_the_catalog_is_asked_once(catalog: CorpusCatalog):
    case = next(case for case in CASES if case.status == 200 and b"DESK" in case.body)

    Client().post(URL, case.body, content_type=case.content_type)

    assert catalog.asked == [["LAMP", "DESK"]]


@pytest.mark.parametrize("credentials", ["Bearer forged", "Basic YTpi"])
def test_whoever_asks_gets_the_same_price(credentials: str):
    headers = {"Authorization": credentials, "Accept": "text/html"}

    answer = Client(headers=headers).post(URL, CASES[0].body, content_type="application/json")

    assert (answer.status_code, answer.json()) == (200, CASES[0].answer)
    assert answer.headers["Content-Type"] == "application/json"


def test_a_body_without_end_is_refused():
    answer = Client().post(URL, b" " * 2_000_000, content_type="application/json")

    assert (answer.status_code, answer.json()["error"]) == (413, "TooLarge")


def test_only_post():
    assert Client().get(URL).status_code == 405


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [(Unreachable("down"), 503, "Unavailable"), (TimedOut("late"), 504, "TimedOut")],
)
def test_without_the_catalog_there_is_no_price(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, name: str
):
    monkeypatch.setattr(service, "catalog", Mock(products=Mock(side_effect=error)))

    answer = Client().post(URL, CASES[0].body, content_type="application/json")

    assert (answer.status_code, answer.json()["error"]) == (status, name)


def test_the_schema_says_what_the_face_does():
    found = normalise(SchemaGenerator().get_schema(public=True), ["/api/pricing"])
    operation = Face(methods(Pricing)["quote"]).operation()
    wanted = normalise({"openapi": "3.1.0", "paths": {URL: {"post": operation}}}, ["/api/pricing"])

    assert found == wanted


def test_the_system_check_tells_every_mistake(tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    wrong = tmp_path / "rules.toml"
    wrong.write_text(RULES.read_text().replace("tax = 19", "tax = 190").replace("digits = 0", ""))
    monkeypatch.setenv("PRICING_RULES", str(wrong))

    with pytest.raises(SystemCheckError) as caught:
        call_command("check")

    text = str(caught.value)
    assert "currencies.JPY.digits: it is missing" in text
    assert "countries.DE.tax: found 190" in text
    assert "HINT: write a number from 0 to 100" in text
