"""Payments' HTTP face: customers read their own payments; staff read all, and refund.

Nobody charges by it: that is what ordering does, by the port.
"""

from __future__ import annotations

import time
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from contracts.identity import Role
from contracts.payments import Payments, PaymentState, UnknownPayment
from monolith import asking
from monolith.payments import models, signing, webhooks
from monolith.payments.serializers import HeardSerializer, PaymentSerializer
from monolith.payments.service import PaymentsService, shown
from strangler.django.rest import errors

STATE = OpenApiParameter(
    "state", str, enum=[state.value for state in PaymentState], description="Only in this state."
)
SIGNATURE = OpenApiParameter(
    signing.HEADER,
    str,
    location=OpenApiParameter.HEADER,
    required=True,
    description="`t=<seconds>,v1=<hex>`: HMAC-SHA256 over `<seconds>.<body>`.",
)

service = PaymentsService()


class PaymentsView(generics.GenericAPIView):
    """What orders were paid with."""

    serializer_class = PaymentSerializer
    queryset = models.Intent.objects.none()

    @extend_schema(
        operation_id="payments_payments_list",
        parameters=[STATE],
        responses=PaymentSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """One's own payments, newest first; staff see everybody's."""
        page = self.paginate_queryset(self._visible(request))
        rows = PaymentSerializer([shown(row) for row in page or ()], many=True)
        return self.get_paginated_response(rows.data)

    def _visible(self, request: Request) -> QuerySet[models.Intent]:
        rows = models.Intent.objects.all()
        user = asking.user(request)
        if Role.STAFF not in user.roles:
            rows = rows.filter(customer=user.id)
        state = request.query_params.get("state")
        if state is None:
            return rows
        if state not in set(PaymentState):
            raise ValidationError(
                {"state": f"There is no such state; ask for {', '.join(PaymentState)}."}
            )
        return rows.filter(state=state)


class PaymentView(APIView):
    """What one order was paid with."""

    @extend_schema(
        operation_id="payments_payments_read",
        responses={200: PaymentSerializer, **errors(Payments, "payment", 404)},
    )
    def get(self, request: Request, order: UUID) -> Response:
        """What one of one's own orders was paid with; staff see everybody's."""
        with asking.for_user(request):
            return Response(PaymentSerializer(service.payment(order)).data)


class RefundView(APIView):
    """The way back."""

    permission_classes = (IsAdminUser,)

    @extend_schema(
        operation_id="payments_payments_refund",
        request=None,
        responses={200: PaymentSerializer, **errors(Payments, "refund", 404)},
    )
    def post(self, request: Request, order: UUID) -> Response:
        """Give back what was taken for an order; staff only."""
        if not models.Intent.objects.filter(pk=order).exists():
            raise UnknownPayment(order=order)
        with asking.for_user(request):
            return Response(PaymentSerializer(service.refund(order)).data)


class WebhookView(APIView):
    """Where the sandbox provider tells how payments stand."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="payments_webhooks_sandbox",
        parameters=[SIGNATURE],
        request=OpenApiTypes.OBJECT,
        responses={
            200: HeardSerializer,
            400: OpenApiResponse(description="InvalidEvent: this is no event of a payment."),
            401: OpenApiResponse(description="SignatureRefused: nobody proves who has sent this."),
        },
    )
    def post(self, request: Request) -> Response:
        """Tell how a payment stands; again, or in another order: the same."""
        stream = request._request  # noqa: SLF001 -- the bytes that were signed, before any parser
        body = stream.read(webhooks.LIMIT + 1)
        if len(body) > webhooks.LIMIT:
            raise webhooks.InvalidEvent(reason=f"it has more than {webhooks.LIMIT} bytes")
        signature = request.headers.get(signing.HEADER, "")
        return Response({"new": webhooks.receive(body, signature, now=time.time())})
