"""The notifications service, with a witness in its consumer; started as the service is."""

from __future__ import annotations

import sys

from sqlalchemy import text

from extracted.notifications import app, delivering
from extracted.notifications.handlers import handling
from extracted.notifications.telling import Tell, telling
from strangler.events.subscribe import Handlers
from strangler.fastapi.server import main
from strangler.sqlalchemy.database import Database
from tests.e2e.listening.witness import hurried, witnessed

databases: list[Database] = []


def known(database: Database) -> Tell:
    databases.append(database)
    return telling(database)


def watched(tell: Tell) -> Handlers:
    found = handling(tell)
    witnessed(found, note)
    return found


def note(order: str, kind: str, at: float) -> None:
    with databases[0].transaction() as session:
        values = {"placed": order, "kind": kind, "at": at}
        session.execute(text("INSERT INTO witness VALUES (:placed, :kind, :at)"), values)


if __name__ == "__main__":
    hurried(delivering)
    vars(app).update(telling=known, handling=watched)
    sys.exit(main(app.create, program="extracted.notifications", port=8108))
