"""Who may import whom: the tree keeps every rule, and every rule can be broken."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture import tree


@dataclass(frozen=True)
class Plant:
    """A violation: this source in this file breaks this rule, and no other."""

    breaks: str
    file: str
    source: str = ""


PLANTS = [
    Plant("contexts", "monolith/catalog/planted.py", "import monolith.identity.models"),
    Plant("contexts", "monolith/pricing/planted.py", "import monolith.config.urls"),
    Plant("contexts", "monolith/planted/__init__.py"),
    Plant("services", "extracted/planted/__init__.py"),
    Plant("services", "extracted/planted/app.py", "import extracted.pricing"),
    Plant("sides", "extracted/pricing/planted.py", "import strangler.django.conf"),
    Plant("mappings", "extracted/catalog/transfer.py", "import extracted.catalog.models"),
    Plant("mappings", "extracted/inventory/transfer.py", "import sqlalchemy"),
    Plant("contracts", "contracts/planted.py", "from strangler.ports import bind"),
    Plant("contracts", "contracts/planted.py", "import strangler.ladder"),
    Plant("contracts", "contracts/planted.py", "import msgspec"),
    Plant("kit", "strangler/ladder.py", "def late():\n    import strangler.routing.decide"),
    Plant("kit", "strangler/ports/planted.py", "import strangler.shadow"),
    Plant("kit", "strangler/saga/planted.py", "import strangler.transfer.mover"),
    Plant("kit", "strangler/fastapi/planted.py", "import strangler.django"),
    Plant("kit", "strangler/fastapi/planted.py", "import strangler.sqlalchemy.schema"),
    Plant("kit", "strangler/planted.py"),
    Plant("kit", "strangler/planted/__init__.py"),
    Plant("django", "strangler/ports/planted.py", "from django.conf import settings"),
    Plant("django", "extracted/pricing/planted.py", "from django.db import models"),
    Plant("fastapi", "strangler/ports/planted.py", "from starlette.requests import Request"),
    Plant("fastapi", "monolith/catalog/planted.py", "import fastapi"),
    Plant("sqlalchemy", "strangler/transfer/planted.py", "import sqlalchemy"),
    Plant("sqlalchemy", "strangler/fastapi/planted.py", "import sqlalchemy.orm"),
    Plant("sqlalchemy", "monolith/catalog/planted.py", "import alembic.config"),
    Plant("brokers", "strangler/events/planted.py", "import redis"),
    Plant("brokers", "monolith/catalog/planted.py", "from confluent_kafka import Producer"),
    Plant("tree", "strangler/ports/planted.py", "import contracts.money"),
    Plant("tree", "strangler/django/planted.py", "import monolith.config"),
    Plant("tree", "strangler/fastapi/planted.py", "import extracted"),
    Plant("tree", "monolith/pricing/planted.py", "import extracted.pricing"),
    Plant("tree", "extracted/pricing/planted.py", "import monolith.pricing.apps"),
    Plant("tree", "contracts/planted.py", "import monolith.config"),
    Plant("tests", "monolith/catalog/planted.py", "import tests.servers"),
]


@pytest.fixture(scope="module")
def linter() -> Iterator[tree.Linter]:
    with tree.Linter() as one:
        yield one


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ruled packages, for those who put back what they change."""
    return tree.copy(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The ruled packages, to plant in."""
    return tree.copy(tmp_path)


def plant(root: Path, file: str, source: str) -> None:
    path = root / file
    path.parent.mkdir(exist_ok=True)
    (path.parent / "__init__.py").touch()
    with path.open("a") as module:
        module.write(f"\n{source}\n")


@contextmanager
def planting(root: Path, file: str, source: str) -> Iterator[None]:
    """Plant, and put back."""
    path = root / file
    fresh = not path.parent.exists()
    was = path.read_text() if path.exists() else None
    plant(root, file, source)
    try:
        yield
    finally:
        if fresh:
            shutil.rmtree(path.parent)
        elif was is None:
            path.unlink()
        else:
            path.write_text(was)


def test_the_tree_keeps_every_rule(linter: tree.Linter):
    verdict = linter.lint(tree.ROOT)
    assert not verdict.broken, verdict.output


@pytest.mark.parametrize("planted", PLANTS, ids=lambda plant: f"{plant.breaks}-{plant.source}")
def test_a_violation_breaks_its_rule_and_no_other(
    planted: Plant, shared: Path, linter: tree.Linter
):
    with planting(shared, planted.file, planted.source):
        verdict = linter.lint(shared)
    assert verdict.broken == {planted.breaks}, verdict.output


def test_services_do_not_import_each_other(copied: Path, linter: tree.Linter):
    rules = copied / tree.RULES
    rules.write_text(
        rules.read_text().replace(
            " notifications | pricing\n", " notifications | pricing | planted\n"
        )
    )
    plant(copied, "extracted/planted/app.py", "")
    assert not linter.lint(copied).broken
    plant(copied, "extracted/planted/app.py", "import extracted.pricing")
    verdict = linter.lint(copied)
    assert verdict.broken == {"services"}, verdict.output


def test_every_rule_has_a_violation_that_breaks_it():
    assert {planted.breaks for planted in PLANTS} == set(tree.rules())


def test_every_folder_is_placed():
    assert tree.unplaced() == set()


@pytest.mark.parametrize(
    "file",
    ["planted/module.py", "planted/deep/module.py", "strangler/planted/module.py"],
)
def test_a_folder_that_no_rule_sees_is_found(file: str, copied: Path):
    (copied / file).parent.mkdir(parents=True)
    (copied / file).touch()
    assert len(tree.unplaced(copied)) == 1
