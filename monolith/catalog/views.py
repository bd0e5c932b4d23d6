"""The HTTP face of catalog: everybody reads what is on sale, staff see and change everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from contracts.catalog import UnknownProduct
from monolith.catalog import models, service
from monolith.catalog.search import Wanted, products
from monolith.catalog.serializers import (
    CategorySerializer,
    CategoryTreeSerializer,
    PriceSerializer,
    ProductChangeSerializer,
    ProductSerializer,
    WantedSerializer,
)


class StaffWrites(BasePermission):
    """Everybody may read."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002 -- DRF's signature
        """Whether this request only reads, or comes from staff."""
        return request.method in SAFE_METHODS or service.by_staff()


class Products(generics.GenericAPIView):
    """All products."""

    permission_classes = (StaffWrites,)
    serializer_class = ProductSerializer
    queryset = models.Product.objects.none()

    @extend_schema(
        operation_id="catalog_products_list",
        parameters=[WantedSerializer],
        responses=ProductSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Search, filter and order products. Customers see what is on sale."""
        query = WantedSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        page = self.paginate_queryset(products(self._visible(query.validated_data)))
        rows = [service.shared(row) for row in page or ()]
        return self.get_paginated_response(ProductSerializer(rows, many=True).data)

    @extend_schema(operation_id="catalog_products_create", responses={201: ProductSerializer})
    def post(self, request: Request) -> Response:
        """Take a new product into the catalog."""
        body = ProductSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        row = service.create(**body.validated_data)
        return Response(ProductSerializer(service.shared(row)).data, status=201)

    def _visible(self, wanted: Wanted) -> Wanted:
        if service.by_staff():
            return wanted
        if wanted.active is not None:
            raise PermissionDenied("Only staff may filter by active.")
        return replace(wanted, active=True)


class Product(APIView):
    """One product."""

    permission_classes = (StaffWrites,)

    @extend_schema(operation_id="catalog_products_read", responses=ProductSerializer)
    def get(self, request: Request, sku: str) -> Response:  # noqa: ARG002 -- DRF's signature
        """One product; customers find it while it is on sale."""
        row = service.find(sku)
        if not row.active and not service.by_staff():
            raise UnknownProduct(sku=sku)
        return Response(ProductSerializer(service.shared(row)).data)

    @extend_schema(
        operation_id="catalog_products_change",
        request=ProductChangeSerializer,
        responses=ProductSerializer,
    )
    def patch(self, request: Request, sku: str) -> Response:
        """Change a product, or take it off sale with ``active: false``."""
        body = ProductChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        row = service.update(sku, **body.validated_data)
        return Response(ProductSerializer(service.shared(row)).data)


class Price(APIView):
    """The price of one product."""

    permission_classes = (StaffWrites,)

    @extend_schema(
        operation_id="catalog_products_reprice",
        request=PriceSerializer,
        responses=ProductSerializer,
    )
    def put(self, request: Request, sku: str) -> Response:
        """Sell a product at another price from now on, in the currency that it has."""
        body = PriceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        product = service.CatalogService().reprice(sku, body.validated_data)
        return Response(ProductSerializer(product).data)


class Categories(APIView):
    """The tree of categories."""

    permission_classes = (StaffWrites,)

    @extend_schema(
        operation_id="catalog_categories_tree",
        responses=CategoryTreeSerializer(many=True),
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002 -- everybody sees the same
        """All categories, as a tree."""
        return Response(CategoryTreeSerializer(_tree(), many=True).data)

    @extend_schema(
        operation_id="catalog_categories_create",
        request=CategorySerializer,
        responses={201: CategorySerializer},
    )
    def post(self, request: Request) -> Response:
        """Add a category, at the root or below another."""
        body = CategorySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        row = service.create_category(**body.validated_data)
        return Response(CategorySerializer(row).data, status=201)


def _tree() -> list[dict[str, Any]]:
    roots: list[dict[str, Any]] = []
    nodes: dict[str, dict[str, Any]] = {}
    for path, name in models.Category.objects.order_by("path").values_list("path", "name"):
        nodes[path] = {"path": path, "name": name, "children": []}
    for path, node in nodes.items():
        above = path.rpartition("/")[0]
        (nodes[above]["children"] if above else roots).append(node)
    return roots
