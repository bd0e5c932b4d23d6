"""Shipping's HTTP face: customers look where their orders are; staff see all, and send them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from contracts.shipping import ShipmentState, Shipping
from monolith import asking
from monolith.shipping import models
from monolith.shipping.serializers import ShipmentSerializer
from monolith.shipping.service import ShippingService, shown, visible
from strangler.django.rest import errors

STATE = OpenApiParameter(
    "state", str, enum=[state.value for state in ShipmentState], description="Only in this state."
)

service = ShippingService()


class ShipmentsView(generics.GenericAPIView):
    """What is sent."""

    serializer_class = ShipmentSerializer
    queryset = models.Shipment.objects.none()

    @extend_schema(
        operation_id="shipping_shipments_list",
        parameters=[STATE],
        responses=ShipmentSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """One's own shipments, newest first; staff see everybody's."""
        page = self.paginate_queryset(self._wanted(request))
        rows = ShipmentSerializer([shown(row) for row in page or ()], many=True)
        return self.get_paginated_response(rows.data)

    def _wanted(self, request: Request) -> QuerySet[models.Shipment]:
        rows = visible(asking.user(request))
        state = request.query_params.get("state")
        if state is None:
            return rows
        if state not in set(ShipmentState):
            raise ValidationError(
                {"state": f"There is no such state; ask for {', '.join(ShipmentState)}."}
            )
        return rows.filter(state=state)


class ShipmentView(APIView):
    """What is sent for one order."""

    @extend_schema(
        operation_id="shipping_shipments_read",
        responses={200: ShipmentSerializer, **errors(Shipping, "shipment", 404)},
    )
    def get(self, request: Request, order: UUID) -> Response:
        """What is sent for one of one's own orders; staff see everybody's."""
        with asking.for_user(request):
            return Response(ShipmentSerializer(service.shipment(order)).data)


class HandOverView(APIView):
    """The way out of the house."""

    permission_classes = (IsAdminUser,)

    @extend_schema(
        operation_id="shipping_shipments_hand_over",
        request=None,
        responses={200: ShipmentSerializer, **errors(Shipping, "hand_over", 404, 409)},
    )
    def post(self, request: Request, order: UUID) -> Response:
        """Give a shipment to a carrier, which gives it a number; again: the same. Staff only."""
        with asking.for_user(request):
            return Response(ShipmentSerializer(service.hand_over(order)).data)


class DeliveredView(APIView):
    """The end of the way."""

    permission_classes = (IsAdminUser,)

    @extend_schema(
        operation_id="shipping_shipments_delivered",
        request=None,
        responses={200: ShipmentSerializer, **errors(Shipping, "delivered", 404, 409)},
    )
    def post(self, request: Request, order: UUID) -> Response:
        """Say that a shipment has arrived; again: the same. Staff only."""
        with asking.for_user(request):
            return Response(ShipmentSerializer(service.delivered(order)).data)
