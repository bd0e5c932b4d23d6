"""What gunicorn serves: ``gunicorn monolith.config.wsgi``."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monolith.config.settings")
# A server that nobody configured is a production server: it says what is missing and stops.
os.environ.setdefault("DEBUG", "false")

application = get_wsgi_application()
