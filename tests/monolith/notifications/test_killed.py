"""A sender killed at the worst moment: the mail is there, and nobody has written that down."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from monolith.identity.models import User
from tests.monolith.notifications.postbox import Postbox
from tests.strangler.django.forking import forked

pytestmark = pytest.mark.journey

ROOT = Path(__file__).parents[3]
SEND = """
import os, pathlib, sys
import django

django.setup()
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))

from monolith.notifications.tasks import deliver_notifications

print(deliver_notifications())
"""


@pytest.mark.django_db(transaction=True)
def test_a_sender_killed_between_sending_and_marking(
    cleo: User, told: Callable[..., UUID], mails: Postbox, tmp_path: Path,
    kit_folders: dict[str, Path],
):  # fmt: skip
    told(str(cleo.pk))
    database, process = tmp_path / "shop.sqlite3", tmp_path / "pid"
    with closing(sqlite3.connect(database)) as file:
        connection.ensure_connection()
        connection.connection.backup(file)
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "monolith.config.settings",
        "DATABASE_URL": f"sqlite:///{database}",
        "EMAIL_URL": f"smtp://127.0.0.1:{mails.port}",
        "EMAIL_TIMEOUT": "20",
        "STRANGLER_TABLE": str(kit_folders["TABLE"]),
        "STRANGLER_KEYS": str(kit_folders["KEYS"]),
        "VAR": str(tmp_path),
    }

    def rows(sql: str) -> Any:
        with closing(sqlite3.connect(database, isolation_level=None)) as books:
            return books.execute(sql).fetchall()

    def send() -> Any:
        return forked(SEND, str(process), cwd=ROOT, env=environment)

    mails.heard = lambda: os.kill(int(process.read_text()), signal.SIGKILL)
    killed = send()
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    look = "SELECT state, attempts, token IS NULL FROM notifications_notification"
    assert rows(look) == [("pending", 1, 0)]

    mails.heard = lambda: None
    rows("UPDATE notifications_notification SET due_at = '2020-01-01 00:00:00'")
    again = send()
    assert (again.returncode, again.stdout) == (0, "1\n"), again.stderr
    assert rows(look) == [("sent", 2, 1)]
    assert len(mails.mails) == 2
    assert len(set(mails.ids)) == 1
