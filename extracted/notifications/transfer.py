"""How notifications' rows are carried from the monolith's tables to the service's, and back.

What has been heard travels with what was made of it: so each effect happens once, whoever listens.
"""

from __future__ import annotations

from strangler.transfer.mapping import TableMap, Target


def _same(*columns: str) -> dict[str, str]:
    return {column: column for column in columns}


tables = (
    TableMap(
        "notifications_notification",
        Target(
            "notification",
            {
                **_same("id", "customer", "kind", "channel", "data", "state", "attempts", "due_at"),
                **_same("token", "reason", "happened_at", "created_at", "sent_at"),
                "order_id": "order",
            },
        ),
    ),
    TableMap(
        "notifications_preference",
        Target("preference", _same("customer", "email", "webhook", "secret")),
    ),
    TableMap("notifications_inbox", Target("inbox", _same("event", "at"))),
    TableMap(
        "notifications_parkedevent",
        Target(
            "parked_event",
            _same("event", "key", "version", "type", "envelope", "reason", "attempts", "due", "at"),
        ),
    ),
)
"""One map for each table of the monolith's notifications."""
