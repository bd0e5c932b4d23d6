"""What views of Django REST framework have from a port: a whole method, or its errors in OpenAPI.

Needs ``djangorestframework`` and ``drf-spectacular``, which the rest of the kit does without.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from strangler.ports.declare import Port, methods
from strangler.ports.face import LIMIT, Face


def errors(port: type[Port], method: str, *statuses: int) -> dict[int, OpenApiResponse]:
    """What OpenAPI says of the errors with these statuses that a method of a port declares.

    ::

        @extend_schema(responses={200: OrderSerializer, **errors(Ordering, "order", 404)})

    Raises:
        KeyError: the port has no such method, or it declares none with one of these.
    """
    responses = Face(methods(port)[method]).operation()["responses"]
    return {
        status: OpenApiResponse(
            responses[str(status)]["content"]["application/json"]["schema"],
            responses[str(status)]["description"],
        )
        for status in statuses
    }


class AlwaysJson(BaseContentNegotiation):
    """There is one form of answer, whatever the client would like."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:  # noqa: ARG002 - DRF's signature
        """The first."""
        return next(iter(parsers))

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 - DRF's signature
        renderers: Iterable[Any],
        format_suffix: str | None = None,  # noqa: ARG002 - DRF's signature
    ) -> tuple[Any, str]:
        """The first."""
        first = next(iter(renderers))
        return first, first.media_type


class PortView(APIView):
    """One method of a port, posted to; the service answers the very same.

    ::

        class QuoteView(PortView, port=Pricing, method="quote"):
            \"\"\"What a basket costs.\"\"\"

            implementation = PricingService()
            permission_classes = (AllowAny,)

    Who may ask is said as in any other view. Keywords of the class beyond ``port`` and ``method``
    go into the OpenAPI operation (``tags``, ``operationId``, …).
    """

    implementation: ClassVar[Port]
    face: ClassVar[Face]
    content_negotiation_class = AlwaysJson
    http_method_names = ("post",)  # the service answers OPTIONS no more than other methods

    def __init_subclass__(
        cls, *, port: type[Port] | None = None, method: str | None = None, **operation: Any
    ) -> None:
        """Derive the face.

        Raises:
            KeyError: the port has no such method.
        """
        super().__init_subclass__()
        if port is None or method is None:
            return
        cls.face = Face(methods(port)[method])

        def post(self: PortView, request: Request) -> HttpResponse:
            return self.answer(request)

        post.__doc__ = cls.face.method.doc
        cls.post = extend_schema(operation=cls.face.operation(**operation))(post)  # type: ignore[attr-defined]  # APIView finds its methods by name

    def answer(self, request: Request) -> HttpResponse:
        """What the implementation says to this request."""
        call = getattr(self.implementation, self.face.method.name)
        # Not request.body: Django has a limit of its own for that, and another word for it.
        body = request.read(LIMIT + 1)
        answer = self.face.answer(call, body, request.content_type)
        return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))
