"""Views that say what they saw, and remember that they were asked."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth import login as begin_session
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from strangler.ports.context import current

asked: list[tuple[str, str]] = []
"""Method and path of everything that was answered here."""


def answer(request: HttpRequest, **more: Any) -> JsonResponse:
    asked.append((request.method or "", request.path))
    context = current()
    said = {
        "path": request.path,
        "query": request.META.get("QUERY_STRING", ""),
        "body": request.body.decode("latin-1"),
        "cohort": context.cohort,
        "user": context.user.id if context.user else None,
        "shadow": context.shadow,
        "forced": {name: str(arm) for name, arm in context.forced.items()},
        "internal": sorted(name for name in request.META if "STRANGLER" in name),
    }
    return JsonResponse(said | more)


@csrf_exempt
def weather(request: HttpRequest, place: str = "") -> JsonResponse:
    asked.append((request.method or "", request.path))
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        return JsonResponse({"place": place, "degrees": 21, "wind": {"from": "NW", "knots": 7}})
    return JsonResponse({"done": request.method, "size": len(request.body)}, status=201)


@csrf_exempt
def search(request: HttpRequest) -> JsonResponse:
    asked.append((request.method or "", request.path))
    return JsonResponse({"found": request.body.decode()})


def clock(request: HttpRequest) -> JsonResponse:
    asked.append((request.method or "", request.path))
    return JsonResponse({"place": "here", "noise": random.random()})


def write(request: HttpRequest) -> JsonResponse:
    asked.append((request.method or "", request.path))
    get_user_model().objects.create(username=f"visitor-{random.getrandbits(64)}")
    return JsonResponse({"place": "here", "degrees": 21, "wind": {"from": "NW", "knots": 7}})


@csrf_exempt
def login(request: HttpRequest) -> JsonResponse:
    user, _ = get_user_model().objects.get_or_create(username="ann")
    begin_session(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return answer(request)


@csrf_exempt
def other(request: HttpRequest) -> JsonResponse:
    return answer(request)


async def later(request: HttpRequest) -> JsonResponse:
    await asyncio.sleep(0)
    return answer(request)
