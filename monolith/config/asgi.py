"""The same project as an ASGI application; gunicorn's sync workers serve it far faster."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monolith.config.settings")
# A server that nobody configured is a production server: it says what is missing and stops.
os.environ.setdefault("DEBUG", "false")

application = get_asgi_application()
