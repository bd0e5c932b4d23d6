"""The shop's paths, and a few that no shop should have: views that write where they should not."""

from __future__ import annotations

import time

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from monolith.config.urls import handler400, handler403, handler404, handler500
from monolith.config.urls import urlpatterns as shop
from monolith.inventory.models import Warehouse

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


@csrf_exempt
def twice(request: HttpRequest) -> HttpResponse:
    """A command that commits twice, with a pause between; nothing makes it atomic."""
    code = request.GET["code"]
    Warehouse.objects.create(code=f"{code}-1", name="first")
    time.sleep(float(request.GET.get("pause", "0")))
    Warehouse.objects.create(code=f"{code}-2", name="second")
    return HttpResponse("both")


def visited(request: HttpRequest) -> HttpResponse:
    """A page that counts its visitors, in a table of inventory's; a swallowed error hides it."""
    with transaction.atomic():
        Warehouse.objects.update_or_create(
            code="visits", defaults={"name": request.GET.get("by", "somebody")}
        )
    return HttpResponse("welcome")


urlpatterns = [
    path("api/inventory/twice", twice),
    path("visited", visited),
    *shop,
]
