"""Nothing but one page."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import path


def invoice(_request: HttpRequest, lang: str, number: int) -> JsonResponse:
    """One invoice, under a path that begins with the language."""
    return JsonResponse({"lang": lang, "number": number})


urlpatterns = [path("<str:lang>/rechnungen/<int:number>", invoice)]
