"""What a context that listens adds to its models: the two tables that its consumer remembers by.

::

    class Inbox(InboxEntry):
        \"\"\"What notifications has been told.\"\"\"


    class ParkedEvent(events.ParkedEvent):
        \"\"\"What it could not handle yet.\"\"\"

They are tables of the capability: its ``transfer.py`` maps them like any other, so that whoever
owns the rows knows what has been done about which event. Their columns are the same in a service
(``strangler.sqlalchemy.events``). Nothing but the kit writes there.
"""

from __future__ import annotations

from datetime import datetime

from django.db import models

from strangler.events.inbox import EVENT, KEY


class InboxEntry(models.Model):
    """An event that has been taken. Its row keeps it from being handled again."""

    event: models.CharField[str, str] = models.CharField(max_length=EVENT, primary_key=True)
    at: models.DateTimeField[datetime, datetime] = models.DateTimeField(db_index=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.event


class ParkedEvent(models.Model):
    """An event that is set aside; see ``strangler.events.inbox.Parked``."""

    event: models.CharField[str, str] = models.CharField(max_length=EVENT, primary_key=True)
    key: models.CharField[str, str] = models.CharField(max_length=KEY)
    version: models.BigIntegerField[int, int] = models.BigIntegerField()
    type: models.CharField[str, str] = models.CharField(max_length=KEY)
    envelope: models.TextField[str, str] = models.TextField()
    reason: models.TextField[str, str] = models.TextField(blank=True)
    attempts: models.IntegerField[int, int] = models.IntegerField(default=0)
    due: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(
        null=True, blank=True
    )
    at: models.DateTimeField[datetime, datetime] = models.DateTimeField()

    class Meta:
        abstract = True
        indexes = (
            models.Index(fields=["key", "version", "event"]),
            models.Index(fields=["due"]),
        )

    def __str__(self) -> str:
        return f"{self.key} {self.version}"
