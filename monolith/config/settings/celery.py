"""Jobs go through Redis when ``REDIS_URL`` is set; otherwise they run where they are asked for."""

from __future__ import annotations

from typing import Any

from monolith.config.settings.cache import REDIS_URL

CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_ALWAYS_EAGER = not REDIS_URL
CELERY_TASK_EAGER_PROPAGATES = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = 300
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "forget expired refresh tokens": {
        "task": "monolith.identity.tasks.purge_refresh_tokens",
        "schedule": 24 * 3600.0,
    },
    "expire reservations": {
        "task": "monolith.inventory.tasks.expire_reservations",
        "schedule": 30.0,
        "options": {"expires": 30.0},
    },
    "go on with sagas": {
        "task": "strangler.django.tasks.sweep_sagas",
        "schedule": 1.0,
        "options": {"expires": 1.0},
    },
    "settle payments": {
        "task": "monolith.payments.tasks.settle_payments",
        "schedule": 15.0,
        "options": {"expires": 15.0},
    },
    "deliver notifications": {
        "task": "monolith.notifications.tasks.deliver_notifications",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "forget heard webhooks": {
        "task": "monolith.payments.tasks.forget_webhooks",
        "schedule": 24 * 3600.0,
    },
}
