"""Where the monolith's consumers are brought events by the ``http`` bus."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from strangler.django.events.consuming import consumer as known
from strangler.events.consumer import Consumer
from strangler.events.receiving import LIMIT, receive
from strangler.events.subscribe import BadHandler, NoConsumer

_log = logging.getLogger("strangler.events")


@csrf_exempt
@require_POST
def events(request: HttpRequest, consumer: str) -> HttpResponse:
    """Take one batch."""
    answer = receive(_known(consumer), consumer, request.read(LIMIT + 1), request.headers)
    response = HttpResponse(answer.body, status=answer.status)
    del response.headers["Content-Type"]
    for name, value in answer.headers.items():
        response.headers[name] = value
    return response


for _alias in settings.DATABASES:  # a consumer's transactions are its own, and many
    transaction.non_atomic_requests(_alias)(events)


def _known(name: str) -> Consumer | None:
    try:
        return known(name)
    except (NoConsumer, BadHandler) as error:  # the system checks say what is wrong
        _log.warning("events for %s are not taken: %s", name, error)
        return None
