"""Inventory's HTTP face: everybody may ask what is to be had, the rest is for staff."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.permissions import AllowAny, IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from monolith.inventory.models import Movement, Stock, Warehouse
from monolith.inventory.serializers import (
    SKUS_AT_ONCE,
    AdjustmentSerializer,
    AvailabilityQuerySerializer,
    AvailabilitySerializer,
    MovementSerializer,
    StockSerializer,
    WarehouseSerializer,
)
from monolith.inventory.service import InventoryService
from monolith.inventory.stocking import storable

SKU = OpenApiParameter("sku", str, description="Only of this SKU.")
WAREHOUSE = OpenApiParameter("warehouse", str, description="Only in the warehouse with this code.")

service = InventoryService()


class AvailabilityView(APIView):
    """What can be ordered now."""

    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="inventory_availability",
        parameters=[
            OpenApiParameter(
                "sku",
                {
                    "type": "array",
                    "items": {"type": "string", "maxLength": 64},
                    "minItems": 1,
                    "maxItems": SKUS_AT_ONCE,
                },
                required=True,
                description="The SKUs to ask about, each as a parameter of its own.",
            )
        ],
        responses=AvailabilitySerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """How many of each SKU can be ordered now, over all warehouses, in the order asked."""
        asked = AvailabilityQuerySerializer(data={"sku": request.query_params.getlist("sku")})
        asked.is_valid(raise_exception=True)
        found = service.availability(asked.validated_data["sku"])
        return Response(AvailabilitySerializer(found, many=True).data)


class WarehousesView(generics.ListCreateAPIView):
    """Where goods lie."""

    permission_classes = (IsAdminUser,)
    queryset = Warehouse.objects.all()
    serializer_class = WarehouseSerializer


class WarehouseView(generics.RetrieveUpdateAPIView):
    """One warehouse."""

    permission_classes = (IsAdminUser,)
    queryset = Warehouse.objects.all()
    serializer_class = WarehouseSerializer
    lookup_field = "code"
    http_method_names = ("get", "patch", "head", "options")


class StockView(generics.ListAPIView):
    """What lies where."""

    permission_classes = (IsAdminUser,)
    serializer_class = StockSerializer
    queryset = Stock.objects.select_related("warehouse")

    @extend_schema(parameters=[SKU, WAREHOUSE])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Every stock, by SKU."""
        return super().get(request, *args, **kwargs)

    def filter_queryset(self, queryset: QuerySet[Stock]) -> QuerySet[Stock]:
        """Only the SKU and the warehouse asked for."""
        return _narrow(queryset, self.request, sku="sku", warehouse="warehouse__code")


class MovementsView(generics.ListCreateAPIView):
    """Why what is on hand is what it is."""

    permission_classes = (IsAdminUser,)
    queryset = Movement.objects.select_related("stock__warehouse")

    @extend_schema(parameters=[SKU, WAREHOUSE], responses=MovementSerializer(many=True))
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Every movement, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=AdjustmentSerializer,
        responses={
            201: MovementSerializer,
            409: OpenApiResponse(description="NotOnHand: more would be taken away than is free."),
        },
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change what is on hand by hand, for a reason."""
        return super().post(request, *args, **kwargs)

    def filter_queryset(self, queryset: QuerySet[Movement]) -> QuerySet[Movement]:
        """Only the SKU and the warehouse asked for."""
        return _narrow(queryset, self.request, sku="stock__sku", warehouse="stock__warehouse__code")

    def get_serializer_class(self) -> type[BaseSerializer[Movement]]:
        """A change by hand is said in fewer words than a movement is shown in."""
        return AdjustmentSerializer if self.request.method == "POST" else MovementSerializer

    def perform_create(self, serializer: BaseSerializer[Movement]) -> None:
        """Whoever asks for it is written down."""
        serializer.save(actor=str(self.request.user.pk))


def _narrow(queryset: QuerySet[Any], request: Request, **filters: str) -> QuerySet[Any]:
    for parameter, lookup in filters.items():
        if (value := request.query_params.get(parameter)) is not None:
            queryset = queryset.filter(**{lookup: value}) if storable(value) else queryset.none()
    return queryset
