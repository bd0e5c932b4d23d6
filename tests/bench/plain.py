"""The monolith's settings without the kit's middleware."""

from __future__ import annotations

from monolith.config.settings import *  # noqa: F403  # the same project
from monolith.config.settings import MIDDLEWARE as WITH

MIDDLEWARE = [one for one in WITH if one != "strangler.django.middleware.EdgeMiddleware"]
