"""Where the databases of a capability are, and what is said where nobody can say."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from django.db import connections

from strangler.django.transfer import places
from strangler.ladder import Arm
from strangler.transfer.errors import Unfit
from strangler.transfer.mapping import TableMap, Target
from tests.strangler.django.transfer.rows import Rows

MODULE = "sample_transfer"
NAMED = f"{MODULE}:tables"


def mapped(catalog: Rows, monkeypatch: pytest.MonkeyPatch, tables: Any) -> list[str]:
    """What is wrong with these maps."""
    module = ModuleType(MODULE)
    module.tables = tables  # type: ignore[attr-defined]  # that is what a map's module has
    monkeypatch.setitem(sys.modules, MODULE, module)
    catalog.kit.catalog = f'transfer = "{MODULE}:tables"'
    catalog.kit.write()
    with pytest.raises(Unfit) as unfit:
        places.table_maps(catalog.capability)
    return list(unfit.value.problems)


def one(table: str) -> TableMap:
    return TableMap(table, Target(f"their_{table}", {"id": "id"}))


def test_both_sides(catalog: Rows) -> None:
    there = places.sides(catalog.capability)
    assert (there.monolith.arm, there.service.arm) == (Arm.MONOLITH, Arm.SERVICE)
    assert there.monolith.tables == (
        "catalog_category", "catalog_product", "catalog_productversion",
    )  # fmt: skip
    assert there.service.tables == ("category", "product", "price", "productversion")


def test_the_service_has_to_be_named(catalog: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRANGLER_CATALOG_DATABASE")
    with pytest.raises(Unfit, match="set STRANGLER_CATALOG_DATABASE"):
        places.sides(catalog.capability)


@pytest.mark.parametrize("url", ["mysql://shop", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_nobody_can_carry(
    catalog: Rows, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("STRANGLER_CATALOG_DATABASE", url)
    with pytest.raises(Unfit):
        places.sides(catalog.capability)


def test_without_a_map(catalog: Rows) -> None:
    catalog.kit.catalog = ""
    catalog.kit.write()
    with pytest.raises(Unfit, match=r"capability\.catalog\.transfer is missing"):
        places.table_maps(catalog.capability)


def test_everything_that_is_wrong_with_maps_is_said(
    catalog: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mapped(catalog, monkeypatch, (one("catalog_product"), one("catalog_words"))) == [
        f"catalog_category: no map says what becomes of its rows: add a TableMap to {NAMED}",
        f"catalog_productversion: no map says what becomes of its rows: add a TableMap to {NAMED}",
        f"catalog_words: {NAMED} maps it, and it is no table of monolith.catalog",
    ]
    assert "NoneType" in mapped(catalog, monkeypatch, None)[0]


def test_a_module_that_is_not_there(catalog: Rows) -> None:
    catalog.kit.catalog = 'transfer = "nowhere.at_all:tables"'
    catalog.kit.write()
    with pytest.raises(Unfit, match="nowhere"):
        places.table_maps(catalog.capability)


def test_the_movers_own_way_outranks_djangos(
    catalog: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = f"sqlite:///{catalog.root / 'monolith.sqlite3'}"
    assert places.monolith_url(catalog.capability) == own
    monkeypatch.delenv("STRANGLER_MOVER_DATABASE")
    assert places.monolith_url(catalog.capability).startswith("sqlite:///")


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ({"NAME": "shop"}, "postgresql:///shop"),
        (
            {"NAME": "shop", "USER": "mo ver", "PASSWORD": "p@ss/", "HOST": "db", "PORT": "5433"},
            "postgresql://mo%20ver:p%40ss%2F@db:5433/shop",
        ),
        (
            {"NAME": "shop", "USER": "shop", "HOST": "/run/postgresql"},
            "postgresql://shop@/shop?host=%2Frun%2Fpostgresql",
        ),
    ],
)
def test_djangos_way_as_a_url(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], url: str
) -> None:
    connection = connections["default"]
    monkeypatch.setattr(connection, "vendor", "postgresql")
    monkeypatch.setattr(connection, "settings_dict", said)
    assert places.django_url("default") == url
    monkeypatch.setattr(connection, "vendor", "mysql")
    with pytest.raises(Unfit, match="is mysql"):
        places.django_url("default")
