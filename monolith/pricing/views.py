"""Pricing's HTTP face, which is the same thing as its port: derived from it, not written again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from contracts.pricing import Pricing
from monolith.pricing.service import PricingService
from strangler.ports.declare import methods
from strangler.ports.face import Face

service = PricingService()
quote = Face(methods(Pricing)["quote"])


class AlwaysJson(BaseContentNegotiation):
    """There is one form of answer, whatever the client would like."""

    def select_parser(self, _request: Request, parsers: Sequence[Any]) -> Any:
        """The first."""
        return parsers[0]

    def select_renderer(
        self, _request: Request, renderers: Sequence[Any], _suffix: str | None = None
    ) -> tuple[Any, str]:
        """The first."""
        return renderers[0], renderers[0].media_type


class QuoteView(APIView):
    """What a basket costs: a query, open to everybody, whoever they say they are."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    content_negotiation_class = AlwaysJson

    @extend_schema(operation=quote.operation(operationId="pricing_quote", tags=["pricing"]))
    def post(self, request: Request) -> HttpResponse:
        """Price a basket."""
        answer = quote.answer(service.quote, request.body, request.content_type)
        return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
