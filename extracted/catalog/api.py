"""Catalog's HTTP face: everybody reads what is on sale, staff see and change everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from contracts.catalog import UnknownProduct
from extracted.catalog import documents, schemas
from extracted.catalog.asking import Asked
from extracted.catalog.service import CatalogService, by_staff
from strangler.fastapi.pool import Pool
from strangler.fastapi.rest.asking import Invalid
from strangler.fastapi.rest.paging import page
from strangler.ports.context import current

Answers = Callable[[Asked], Response]
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def router(catalog: CatalogService) -> APIRouter:
    """``/api/catalog/``, answered by this implementation."""
    face = Face(catalog)
    routes = APIRouter(prefix="/api/catalog", tags=["catalog"])
    products, product = "/products/", "/products/{sku}/"
    _add(routes, products, "GET", face.search, documents.search(), name="products_list")
    _add(
        routes,
        products,
        "POST",
        face.create,
        documents.product(body=schemas.PRODUCT, status=201),
        name="products_create",
    )
    _add(routes, product, "GET", face.product, documents.product(sku=True), name="products_read")
    _add(
        routes,
        product,
        "PATCH",
        face.change,
        documents.product(body=schemas.CHANGE, sku=True),
        name="products_change",
    )
    _add(
        routes,
        f"{product}price",
        "PUT",
        face.reprice,
        documents.product(body=schemas.PRICE, sku=True),
        name="products_reprice",
    )
    _add(
        routes,
        "/categories/",
        "GET",
        face.tree,
        {},
        name="categories_tree",
        response_model=list[schemas.CategoryTree],
    )
    _add(routes, "/categories/", "POST", face.create_category,
         documents.product(body=schemas.CATEGORY, status=201, answer=schemas.CATEGORY),
         name="categories_create")  # fmt: skip
    for path, allowed in (
        (products, "GET, POST, HEAD, OPTIONS"),
        (product, "GET, PATCH, HEAD, OPTIONS"),
        (f"{product}price", "PUT, OPTIONS"),
        ("/categories/", "GET, POST, HEAD, OPTIONS"),
    ):
        _add_rest(routes, path, allowed)
    return routes


class Face:
    """What each operation answers."""

    def __init__(self, catalog: CatalogService) -> None:
        self._catalog = catalog

    def search(self, asked: Asked) -> Response:
        """Search, filter and order products. Customers see what is on sale."""
        wanted = schemas.wanted(asked.query)
        if not by_staff():
            if wanted.active is not None:
                raise HTTPException(403, "Only staff may filter by active.")
            wanted = replace(wanted, active=True)
        shown = page(asked.last("page"), asked.last("page_size"), self._catalog.count(wanted))
        found = self._catalog.page(wanted, offset=shown.offset, limit=shown.size)
        return JSONResponse(shown.of([schemas.shown(one) for one in found], asked.url))

    def create(self, asked: Asked) -> Response:
        """Take a new product into the catalog."""
        product = self._catalog.create(**asked.read(schemas.PRODUCT))
        return JSONResponse(schemas.shown(product), 201)

    def product(self, asked: Asked) -> Response:
        """One product; customers find it while it is on sale."""
        product = self._catalog.product(_sku(asked))
        if not product.active and not by_staff():
            raise UnknownProduct(sku=product.sku)
        return JSONResponse(schemas.shown(product))

    def change(self, asked: Asked) -> Response:
        """Change a product, or take it off sale with ``active: false``."""
        changes = schemas.changes(asked.json())
        return JSONResponse(schemas.shown(self._catalog.update(_sku(asked), **changes)))

    def reprice(self, asked: Asked) -> Response:
        """Sell a product at another price from now on, in the currency that it has."""
        price = asked.read(schemas.PRICE)
        return JSONResponse(schemas.shown(self._catalog.reprice(_sku(asked), price)))

    def tree(self, _asked: Asked) -> Response:
        """All categories, as a tree."""
        roots: list[dict[str, Any]] = []
        nodes: dict[str, dict[str, Any]] = {
            path: {"path": path, "name": name, "children": []}
            for path, name in self._catalog.categories()
        }
        for path, node in nodes.items():
            above = path.rpartition("/")[0]
            (nodes[above]["children"] if above else roots).append(node)
        return JSONResponse(roots)

    def create_category(self, asked: Asked) -> Response:
        """Add a category, at the root or below another."""
        category = asked.read(schemas.CATEGORY)
        self._catalog.create_category(**category)
        return JSONResponse(category, 201)


def _sku(asked: Asked) -> str:
    return str(asked.path_params["sku"])


def _add(
    routes: APIRouter,
    path: str,
    method: str,
    answers: Answers,
    document: dict[str, Any],
    *,
    name: str,
    response_model: Any = None,
) -> None:
    endpoint = _endpoint(answers)
    statuses = list(document.get("responses", {"200": {}}))
    routes.add_api_route(
        path,
        endpoint,
        methods=[method],
        name=name,
        operation_id=f"catalog_{name}",
        summary=(answers.__doc__ or "").partition("\n")[0],
        status_code=int(statuses[0]),
        response_class=Response if response_model is None else JSONResponse,
        response_model=response_model,
        openapi_extra=document,
    )
    if method == "GET":
        routes.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)


def _add_rest(routes: APIRouter, path: str, allowed: str) -> None:
    """What is asked of a path by a method that it has not, or of the path without its slash."""

    def refuse(asked: Asked) -> Response:
        asked.refuse(allowed)

    def slashless(request: Request) -> None:
        there = request.scope["path"]
        raise HTTPException(404, f"There is nothing at {there}. Ask for {there}/ instead.")

    routes.add_api_route(path, _endpoint(refuse), methods=_METHODS, include_in_schema=False)
    if path.endswith("/"):
        routes.add_api_route(path.rstrip("/"), slashless, methods=_METHODS, include_in_schema=False)


def _endpoint(answers: Answers) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        asked = Asked(request, await request.body())

        def answer() -> Response:
            asked.admit()
            return answers(asked)

        pool: Pool = request.app.state.pool
        try:
            return await pool.run(answer, deadline=current().deadline)
        except Invalid as invalid:
            return invalid.response()

    return endpoint
