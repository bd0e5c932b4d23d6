"""Where to begin."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe


@require_safe
def index(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 -- a view takes a request
    """The paths where somebody who knows nothing of this shop can begin."""
    return JsonResponse(
        {
            "products": "/api/catalog/products/",
            "quote": "/api/pricing/quote",
            "sign_up": "/api/identity/register",
            "schema": reverse("schema"),
            "admin": reverse("admin:index"),
            "health": "/healthz",
        }
    )
