"""Whatever is done for a comparison changes nothing, on either database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction

from strangler.django.shadow.readonly import read_only

ROOT = Path(__file__).parents[3]

# In a process of its own, whose connections are not a test's.
SETUP = """
import sys, django
from django.conf import settings

settings.configure(
    DATABASES={"default": eval(sys.argv[1])}, USE_TZ=True, INSTALLED_APPS=[],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
from django.db import DatabaseError, connection, transaction
from strangler.django.shadow.readonly import read_only

def run(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else None

"""

WRITES = """
run("create table visits (name varchar(10))")
run("insert into visits values ('kept')")
said = []

with read_only():
    assert run("select name from visits") == [("kept",)]
    transaction.on_commit(lambda: said.append("sent"))
    with transaction.atomic():
        assert run("select count(*) from visits") == [(1,)]
        transaction.on_commit(lambda: said.append("sent"))
    for sql in ("insert into visits values ('gone')", "delete from visits", "drop table visits"):
        try:
            with transaction.atomic():
                run(sql)
        except DatabaseError:
            pass
        else:
            raise SystemExit(f"{sql} was not refused")

assert run("select name from visits") == [("kept",)]
assert said == []
assert not connection.in_atomic_block
with transaction.atomic():
    run("insert into visits values ('again')")
assert run("select count(*) from visits") == [(2,)]

try:
    with read_only():
        raise KeyError("planted")
except KeyError:
    pass
run("insert into visits values ('still')")
assert run("select count(*) from visits") == [(3,)]
print("done")
"""

BESIDE = """
import sqlite3
writer = sqlite3.connect(settings.DATABASES["default"]["NAME"], isolation_level=None)
writer.execute("pragma journal_mode=wal")
writer.execute("create table visits (name)")
writer.execute("begin immediate")
writer.execute("insert into visits values ('under way')")
with read_only(), transaction.atomic():
    assert run("select count(*) from visits") == [(0,)]
writer.execute("commit")
writer.close()
connection.close()
print("done")
"""


def ran(script: str, database: dict[str, object]) -> str:
    """What the script says on this database."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{SETUP}{script}", repr(database)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or done.stderr


def sqlite(folder: Path) -> dict[str, object]:
    """A file whose transactions begin with a lock, as they should where anything is written."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(folder / "db.sqlite3"),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 0.2},
    }


def test_sqlite_refuses_every_write(tmp_path: Path) -> None:
    assert ran(WRITES, sqlite(tmp_path)) == "done"


def test_sqlite_is_read_while_somebody_writes(tmp_path: Path) -> None:
    """A comparison takes no lock."""
    assert ran(BESIDE, sqlite(tmp_path)) == "done"


@pytest.mark.postgres
def test_postgres_refuses_every_write(postgres_url: str) -> None:
    _, _, rest = postgres_url.partition("://")
    user, _, rest = rest.partition("@")
    host, _, name = rest.partition("/")
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "USER": user,
        "HOST": host.partition(":")[0],
        "PORT": host.partition(":")[2],
        "NAME": name,
    }
    assert ran(WRITES, database) == "done"


def test_within_somebody_s_transaction_it_is_rolled_back(db: None) -> None:
    with transaction.atomic():
        get_user_model().objects.create(username="kept", email="kept@x")
        with read_only():
            get_user_model().objects.create(username="gone", email="gone@x")
            assert get_user_model().objects.count() == 2
        assert get_user_model().objects.get().username == "kept"
    assert connection.needs_rollback is False


def test_a_failure_inside_gets_out(db: None) -> None:
    with pytest.raises(DatabaseError), read_only(), connection.cursor() as cursor:
        cursor.execute("select nonsense")
    assert get_user_model().objects.count() == 0
