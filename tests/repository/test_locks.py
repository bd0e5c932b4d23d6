"""Each environment is pinned and hashed, and holds what it should and no more."""

from __future__ import annotations

import pytest

from tests.repository import locks

SERVICES = ("catalog", "inventory", "notifications", "pricing")
MADE_OF = {
    "demo": {"extras": ("monolith", *SERVICES), "groups": ("demo",)},
    "dev": {"extras": ("monolith", "agent", *SERVICES), "groups": ("dev",)},
    "monolith": {"extras": ("monolith",)},
    "edge": {"extras": ("agent",)},
    **{service: {"extras": (service,)} for service in SERVICES},
}


@pytest.mark.parametrize("lock", locks.LOCKS)
def test_every_line_is_a_pin_or_a_hash(lock: str):
    assert len(locks.pins(lock)) > 10


def test_the_files_are_those_we_know():
    folder = locks.ROOT / "requirements"
    assert {path.stem for path in folder.glob("*.txt")} == set(locks.LOCKS)


@pytest.mark.parametrize("lock", locks.LOCKS)
def test_a_lock_holds_what_the_project_asks_for(lock: str):
    missing = locks.direct(**MADE_OF[lock]) - locks.pins(lock).keys()
    assert not missing, "run `make lock`"


@pytest.mark.parametrize("lock", locks.LOCKS)
def test_what_is_deployed_is_what_was_tested(lock: str):
    tested = locks.pins("dev")
    assert {name: tested.get(name) for name in locks.pins(lock)} == locks.pins(lock)


def test_the_monolith_has_no_fastapi():
    assert not locks.pins("monolith").keys() & {"fastapi", "starlette", "uvicorn"}
    assert {"django", "gunicorn", "psycopg", "celery"} <= locks.pins("monolith").keys()


def test_the_pricing_service_has_no_django():
    foreign = [name for name in locks.pins("pricing") if "django" in name or "drf" in name]
    assert not foreign
    assert not locks.pins("pricing").keys() & {"celery", "gunicorn", "psycopg", "redis"}
    assert {"fastapi", "uvicorn"} <= locks.pins("pricing").keys()


def test_a_kit_without_extras_has_neither():
    assert not locks.direct() & {"django", "fastapi", "typer"}
