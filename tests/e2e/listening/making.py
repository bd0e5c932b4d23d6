"""What makes the shop of these tests, in one process; called by ``Hand``."""

from __future__ import annotations

from django.core.management import call_command
from django.db import connection

from extracted.notifications.migrating import SCHEMA
from monolith.identity.models import User
from monolith.notifications.models import Preference
from strangler.cli import run
from strangler.sqlalchemy.database import Database
from tests.e2e.listening.witness import TABLE

PARTIES = ("monolith", "notifications")


def prepare(service: str, hook: str) -> list[str]:
    """Tables, keys, and customers, of whom the last has a program that is told too."""
    call_command("rotate_keys")
    call_command("migrate", verbosity=0)
    for party in PARTIES:
        assert run(["keys", party]) == 0
    assert run(["publish"]) == 0
    with Database(service) as database:
        SCHEMA.migrate(database)
        with database.transaction() as session:
            session.connection().exec_driver_sql(TABLE)
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
    found = [
        str(User.objects.create_user(name, f"{name}@example.com", "only-here").pk)
        for name in ("ann", "bob", "cleo")
    ]
    User.objects.create_user("otto", "otto@example.com", "only-here", is_staff=True)
    Preference.objects.create(customer=found[-1], webhook=hook)
    return found
