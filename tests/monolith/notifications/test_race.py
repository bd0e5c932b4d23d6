"""However many are told and send at once, each notification is sent by one of them."""

from __future__ import annotations

import threading
from collections import Counter
from uuid import uuid4

import pytest
from django.db import connections

from monolith.notifications.models import Notification, Preference
from monolith.notifications.tasks import deliver_notifications
from strangler.django.events.consuming import consumer
from tests.monolith.events import cancelled, carried
from tests.monolith.notifications.postbox import Program

SENDERS = 6
TOLD = 40
pytestmark = pytest.mark.postgres


def test_each_is_told_once_and_sent_once(on_postgres: None, hooked: Program):
    Preference.objects.create(customer="cleo", email=False, webhook=hooked.url)
    batch = [carried(cancelled(uuid4())) for _ in range(TOLD)]
    sent: list[int] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            consumer("notifications").take(batch)
            sent.append(deliver_notifications())
        except BaseException as error:  # noqa: BLE001 - raised again where the test sees it
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert sum(sent) == TOLD
    times = Counter(headers["idempotency-key"] for headers, _ in hooked.told)
    assert times == dict.fromkeys(map(str, Notification.objects.values_list("id", flat=True)), 1)
    assert set(Notification.objects.values_list("state", "attempts")) == {("sent", 1)}
