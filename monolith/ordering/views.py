"""Ordering's HTTP face: customers place, read and cancel their own orders; staff read all."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from contracts.identity import Role
from contracts.ordering import Line, Ordering, OrderState
from monolith import asking
from monolith.ordering import models
from monolith.ordering.placing import place
from monolith.ordering.serializers import OrderSerializer, PlaceSerializer
from monolith.ordering.service import OrderingService, shown
from strangler.django.rest import errors

KEY_LENGTH = 128
KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH},
    location=OpenApiParameter.HEADER,
    required=True,
    description="Made up by the client, once for each order: sent again, it gets the same order.",
)
STATE = OpenApiParameter(
    "state", str, enum=[state.value for state in OrderState], description="Only in this state."
)

service = OrderingService()


def _key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if not (1 <= len(key) <= KEY_LENGTH and key.isprintable()):
        raise ValidationError(
            {"Idempotency-Key": f"Send this header, with 1 to {KEY_LENGTH} printable characters."}
        )
    return key


class OrdersView(generics.GenericAPIView):
    """A customer's orders."""

    serializer_class = OrderSerializer
    queryset = models.Order.objects.none()

    @extend_schema(
        operation_id="ordering_orders_list",
        parameters=[STATE],
        responses=OrderSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """One's own orders, newest first; staff see everybody's."""
        page = self.paginate_queryset(self._visible(request).prefetch_related("lines"))
        rows = OrderSerializer(shown(page or ()), many=True)
        return self.get_paginated_response(rows.data)

    @extend_schema(
        operation_id="ordering_orders_place",
        parameters=[KEY],
        request=PlaceSerializer,
        responses={201: OrderSerializer, 200: OrderSerializer, **errors(Ordering, "place", 409)},
    )
    def post(self, request: Request) -> Response:
        """Place an order: 201 when it has been confirmed now, 200 when it had been before."""
        key = _key(request)
        body = PlaceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted: dict[str, Any] = body.validated_data
        with asking.for_user(request):
            placed = place(
                customer=asking.user(request).id,
                key=key,
                lines=[Line(**line) for line in wanted["lines"]],
                country=wanted["country"],
                coupon=wanted["coupon"],
                payment=wanted["payment"],
            )
        (order,) = shown([placed.row])
        return Response(OrderSerializer(order).data, status=201 if placed.now else 200)

    def _visible(self, request: Request) -> QuerySet[models.Order]:
        rows = models.Order.objects.all()
        user = asking.user(request)
        if Role.STAFF not in user.roles:
            rows = rows.filter(customer=user.id)
        state = request.query_params.get("state")
        if state is None:
            return rows
        if state not in set(OrderState):
            raise ValidationError(
                {"state": f"There is no such state; ask for {', '.join(OrderState)}."}
            )
        return rows.filter(state=state)


class OrderView(APIView):
    """One order."""

    @extend_schema(
        operation_id="ordering_orders_read",
        responses={200: OrderSerializer, **errors(Ordering, "order", 404)},
    )
    def get(self, request: Request, order: UUID) -> Response:
        """One of one's own orders; staff see everybody's."""
        with asking.for_user(request):
            return Response(OrderSerializer(service.order(order)).data)


class CancelView(APIView):
    """The end of an order."""

    @extend_schema(
        operation_id="ordering_orders_cancel",
        request=None,
        responses={200: OrderSerializer, **errors(Ordering, "cancel", 404, 409)},
    )
    def post(self, request: Request, order: UUID) -> Response:
        """Cancel one's own confirmed order; its goods and the money go back."""
        with asking.for_user(request):
            return Response(OrderSerializer(service.cancel(order)).data)
