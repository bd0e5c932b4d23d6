"""Faces derived from ports, and faces of both frameworks made comparable."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import fastapi
import pydantic
import pytest
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from strangler.ports.declare import Meta, Port, methods, query
from strangler.ports.errors import (
    ConnectionLost,
    DeclaredError,
    TimedOut,
    Unreachable,
)
from strangler.ports.face import LIMIT, Face, compare, normalise, problem

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Line:
    """How many of what."""

    sku: Annotated[str, Meta(min_length=1, max_length=64)]
    quantity: Annotated[int, Meta(ge=1)] = 1


@dataclass(frozen=True, slots=True)
class Total:
    amount: Decimal
    lines: list[Line]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Tree:
    children: list[Tree]


class TooDear(DeclaredError, status=409):
    """Nobody can pay for this."""

    amount: Decimal
    at: UUID


class Unknown(DeclaredError, status=400):
    """There is no such thing."""

    skus: list[str]


class Till(Port, capability="till"):
    """What a basket costs."""

    @query(raises=[TooDear, Unknown])
    def total(self, lines: list[Line], at: datetime | None = None) -> Total:
        """Add it up.

        Everything.
        """

    @query()
    def tree(self) -> Tree:
        """A type that contains itself."""


TOTAL = Face(methods(Till)["total"])
BODY = b'{"lines":[{"sku":"a"}]}'


def added(lines: list[Line], at: datetime | None) -> Total:
    assert at is None
    return Total(Decimal("1.50"), lines)


def test_a_face_answers_what_its_method_answers():
    answer = TOTAL.answer(added, BODY, "application/json; charset=utf-8")
    assert answer.status == 200
    assert answer.headers == {"Content-Type": JSON}
    assert json.loads(answer.body) == {
        "amount": "1.50",
        "lines": [{"sku": "a", "quantity": 1}],
        "note": None,
    }


def raising(error: Exception) -> Callable[..., Total]:
    def call(**arguments: Any) -> Total:
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (
            TooDear(Decimal("1E+2"), UUID(int=1)),
            409,
            {
                "error": "TooDear",
                "message": "Nobody can pay for this. (amount=Decimal('1E+2'), "
                "at=UUID('00000000-0000-0000-0000-000000000001'))",
                "detail": {"amount": "1E+2", "at": "00000000-0000-0000-0000-000000000001"},
            },
        ),
        (
            Unreachable("http://10.0.0.1 is secret"),
            503,
            {
                "error": "Unavailable",
                "message": "Nothing has been done. Try again shortly.",
                "detail": {},
            },
        ),
        (
            TimedOut("secret"),
            504,
            {
                "error": "TimedOut",
                "message": "Part of the shop did not answer in time.",
                "detail": {},
            },
        ),
        (
            ConnectionLost("secret"),
            502,
            {"error": "BadGateway", "message": "Part of the shop has failed.", "detail": {}},
        ),
    ],
    ids=["declared", "not executed", "timed out", "unknown"],
)
def test_an_error_has_one_shape(error: Exception, status: int, body: dict[str, Any]):
    answer = TOTAL.answer(raising(error), BODY, JSON)
    said = json.loads(answer.body)
    if isinstance(error, DeclaredError):
        assert said.pop("message") == str(error)
        body.pop("message")
    assert (answer.status, said) == (status, body)
    assert answer.headers.get("Retry-After") == ("1" if status == 503 else None)


def test_what_no_port_raises_is_the_framework_s_business():
    with pytest.raises(ZeroDivisionError):
        TOTAL.answer(raising(ZeroDivisionError("bug")), BODY, JSON)
    with pytest.raises(TypeError, match="ZeroDivisionError is not an error of a port"):
        problem(ZeroDivisionError())


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        (b"", "$", "Input data was truncated"),
        (b"{}", "$.lines", "Required, but missing"),
        (b'{"lines":[{"sku":""}]}', "$.lines[0].sku", "Expected `str` of length >= 1"),
        (
            b'{"lines":[],"at":"2024-01-01T00:00:00"}',
            "$.at",
            "Expected a datetime with a time zone",
        ),
    ],
)
def test_a_bad_request_says_where_it_is_wrong(body: bytes, path: str, reason: str):
    answer = TOTAL.answer(added, body, JSON)
    assert answer.status == 400
    assert json.loads(answer.body) == {
        "error": "InvalidRequest",
        "message": f"{reason} - at `{path}`",
        "detail": {"path": path, "problems": [{"path": path, "message": reason}]},
    }


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/jsonp"])
def test_only_json_is_read(content_type: str | None):
    answer = TOTAL.answer(added, BODY, content_type)
    assert answer.status == 415
    assert json.loads(answer.body)["error"] == "UnsupportedMediaType"


def test_a_request_has_a_limit():
    answer = TOTAL.answer(added, b" " * (LIMIT + 1), JSON)
    assert (answer.status, json.loads(answer.body)["error"]) == (413, "TooLarge")


def test_what_a_face_says_of_itself_stands_by_itself():
    operation = TOTAL.operation(operationId="total", tags=["till"])
    assert "$ref" not in json.dumps(operation)
    assert operation["summary"] == "Add it up."
    assert (operation["operationId"], operation["tags"]) == ("total", ["till"])
    (body,) = operation["requestBody"]["content"].values()
    assert body["schema"]["required"] == ["lines"]
    lines = body["schema"]["properties"]["lines"]["items"]
    assert lines["description"] == "How many of what."
    assert lines["properties"]["quantity"] == {"type": "integer", "minimum": 1, "default": 1}
    responses = operation["responses"]
    assert list(responses) == ["200", "400", "409"]
    assert responses["400"]["description"] == "InvalidRequest, Unknown"
    invalid, unknown = responses["400"]["content"][JSON]["schema"]["anyOf"]
    assert invalid["properties"]["error"]["enum"] == ["InvalidRequest"]
    assert unknown["properties"]["detail"]["required"] == ["skus"]
    with pytest.raises(ValueError, match="Tree contains itself"):
        Face(methods(Till)["tree"]).operation()


# One face, written in either framework as people write it.


class LineSerializer(serializers.Serializer):
    sku = serializers.CharField(min_length=1, max_length=64, help_text="What.")
    quantity = serializers.IntegerField(min_value=1, max_value=10_000)


class OrderSerializer(serializers.Serializer):
    """An order."""

    id = serializers.UUIDField(read_only=True)
    lines = LineSerializer(many=True)
    first = LineSerializer(help_text="The first again.")
    total = serializers.DecimalField(max_digits=12, decimal_places=2)
    at = serializers.DateTimeField()
    note = serializers.CharField(allow_null=True, required=False)
    maybe = LineSerializer(allow_null=True, required=False)
    colour = serializers.ChoiceField(choices=["red", "blue"], allow_null=True)
    size = serializers.ChoiceField(choices=[1, 2])
    tags = serializers.ListField(child=serializers.IntegerField(), max_length=5)
    attributes = serializers.DictField(child=serializers.FloatField())
    anything = serializers.JSONField()
    secret = serializers.CharField(write_only=True)
    active = serializers.BooleanField(default=True)


class Orders(APIView):
    """Orders."""

    @extend_schema(
        responses=OrderSerializer(many=True),
        parameters=[
            OpenApiParameter("page", int, description="Which."),
            OpenApiParameter("q", str, required=True),
            OpenApiParameter("only", enum=["a", "b"]),
        ],
    )
    def get(self, request: Request, shelf: str) -> Response:
        """All of them."""
        return Response()

    @extend_schema(request=OrderSerializer, responses={201: OrderSerializer})
    def post(self, request: Request, shelf: str) -> Response:
        """One more."""
        return Response()

    @extend_schema(responses={204: None})
    def delete(self, request: Request, shelf: str) -> Response:
        """None."""
        return Response()


class Totals(APIView):
    """A face that is derived from a port."""

    @extend_schema(operation=TOTAL.operation(tags=["till"]))
    def post(self, request: Request) -> Response:
        """Add it up."""
        return Response()


class PLine(pydantic.BaseModel):
    sku: str = pydantic.Field(min_length=1, max_length=64, description="Which.")
    quantity: int = pydantic.Field(gt=0, le=10_000, examples=[3])


class OrderIn(pydantic.BaseModel):
    lines: list[PLine]
    first: PLine
    total: Decimal
    at: datetime
    note: Annotated[str, pydantic.Field(min_length=1)] | None = None
    maybe: PLine | None = None
    colour: Literal["blue", "red"] | None
    size: Literal[1, 2]
    tags: list[int] = pydantic.Field(max_length=5)
    attributes: dict[str, float]
    anything: Any
    secret: str = pydantic.Field(min_length=1)
    active: bool = True


class OrderOut(pydantic.BaseModel):
    id: UUID
    lines: list[PLine]
    first: PLine
    total: Decimal
    at: datetime
    note: str | None = None
    maybe: PLine | None = None
    colour: Literal["blue", "red"] | None
    size: Literal[1, 2]
    tags: list[int] = pydantic.Field(max_length=5)
    attributes: dict[str, float]
    anything: Any
    active: bool = True


def rest_framework(version: str = "3.0.3") -> dict[str, Any]:
    patterns = [
        path("api/shop/<str:shelf>/orders", Orders.as_view()),
        path("api/shop/total", Totals.as_view()),
        path("api/shopping/<str:shelf>", Orders.as_view()),
        path("elsewhere/<str:shelf>", Orders.as_view()),
    ]
    with patched_settings({"OAS_VERSION": version}):
        document = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    assert document["openapi"] == version
    return normalise(document, ["/api/shop/"])


def fast_api(order_in: type = OrderIn, order_out: type = OrderOut) -> dict[str, Any]:
    app = fastapi.FastAPI()
    orders = "/api/shop/{shelf}/orders"

    def listed(
        shelf: str, q: str, page: int | None = None, only: Literal["b", "a"] | None = None
    ) -> Any:
        """All of them."""

    def made(shelf: str, order: Any) -> Any:
        """One more."""

    made.__annotations__["order"] = order_in

    def none(shelf: str) -> None:
        """None."""

    def total(request: fastapi.Request) -> None:
        """Add it up."""

    app.get(orders, response_model=list[order_out])(listed)  # type: ignore[valid-type]  # a type made at run time
    app.post(orders, status_code=201, response_model=order_out)(made)
    app.delete(orders, status_code=204)(none)
    app.post("/api/shop/total", openapi_extra=TOTAL.operation())(total)
    document = app.openapi()
    assert document["openapi"].startswith("3.1")
    return normalise(document, ["/api/shop"])


@pytest.mark.parametrize("version", ["3.0.3", "3.1.1"])
def test_a_face_is_the_same_whoever_has_written_it(version: str):
    assert rest_framework(version)["paths"] == fast_api()["paths"]
    assert rest_framework(version)["paths"].keys() == {
        "/api/shop/{shelf}/orders",
        "/api/shop/total",
    }


def test_a_normal_form_is_openapi_and_its_own_normal_form():
    face = rest_framework()
    assert normalise(face, ["/api/shop/"]) == face
    assert face["openapi"] == "3.1.0"
    assert face["info"] == {"title": "/api/shop", "version": "1"}
    text = json.dumps(face)
    for word in ("nullable", "operationId", 'tags": ["', "securit", "allOf", "oneOf", "$ref"):
        assert word not in text, word


def test_what_the_normal_form_says():
    orders = rest_framework()["paths"]["/api/shop/{shelf}/orders"]
    assert list(orders) == ["get", "post", "delete"]
    assert orders["get"]["parameters"] == [
        {"in": "path", "name": "shelf", "required": True, "schema": {"type": "string"}},
        {"in": "query", "name": "only", "schema": {"type": "string", "enum": ["a", "b"]}},
        {"in": "query", "name": "page", "schema": {"type": "integer"}},
        {"in": "query", "name": "q", "required": True, "schema": {"type": "string"}},
    ]
    assert orders["delete"] == {
        "parameters": orders["get"]["parameters"][:1],
        "responses": {"204": {"description": ""}},
    }
    sent = orders["post"]["requestBody"]["content"][JSON]["schema"]
    assert orders["post"]["requestBody"]["required"] is True
    answered = orders["post"]["responses"]["201"]["content"][JSON]["schema"]
    assert "id" not in sent["properties"]
    assert "secret" not in answered["properties"]
    assert sent["properties"]["note"] == {
        "anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]
    }
    assert sent["properties"]["active"] == {"type": "boolean", "default": True}
    assert answered["properties"]["colour"] == {
        "anyOf": [{"type": "string", "enum": ["blue", "red"]}, {"type": "null"}]
    }
    assert answered["properties"]["anything"] == {}


def changed(model: type[pydantic.BaseModel], **fields: Any) -> type[pydantic.BaseModel]:
    return pydantic.create_model(model.__name__, __base__=model, **fields)


@pytest.mark.parametrize(
    ("service", "said"),
    [
        (
            fast_api(changed(OrderIn, size=(int, ...))),
            "POST /api/shop/{shelf}/orders body.size: more than 1, 2 is possible now",
        ),
        (
            fast_api(changed(OrderIn, coupon=(str, ...))),
            "POST /api/shop/{shelf}/orders body.coupon: added, required",
        ),
        (
            fast_api(changed(OrderIn, secret=(str, ...))),
            "POST /api/shop/{shelf}/orders body.secret: minLength 1 became no minLength",
        ),
        (
            fast_api(order_out=changed(OrderOut, at=(str, ...))),
            "GET /api/shop/{shelf}/orders → 200[].at: format 'date-time' is not demanded any more",
        ),
        (
            fast_api(order_out=changed(OrderOut, total=(float, ...))),
            "GET /api/shop/{shelf}/orders → 200[].total: string became number",
        ),
        (
            fast_api(order_out=changed(OrderOut, id=(UUID | None, ...))),
            "POST /api/shop/{shelf}/orders → 201.id: null is possible now",
        ),
        (
            fast_api(order_out=changed(OrderOut, more=(list[PLine], ...))),
            "POST /api/shop/{shelf}/orders → 201.more: added, required",
        ),
    ],
)
def test_a_real_difference_has_a_path(service: dict[str, Any], said: str):
    assert said in "\n".join(map(str, compare(rest_framework(), service)))


TEXT = {"type": "string"}
INT = {"type": "integer"}
REAL = {"type": "number"}
NULL = {"type": "null"}


def body(schema: dict[str, Any], *, request: bool) -> Any:
    """The normal form of one schema."""
    content = {"content": {JSON: {"schema": schema}}}
    operation = {"requestBody": content} if request else {"responses": {"200": content}}
    face = normalise({"paths": {"/x": {"post": operation}}}, ["/x"])["paths"]["/x"]["post"]
    holder = face["requestBody"] if request else face["responses"]["200"]
    return holder["content"][JSON]["schema"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"type": "string", "nullable": True}, {"type": ["null", "string"]}),
        ({**TEXT, "nullable": True}, {"anyOf": [NULL, TEXT]}),
        ({**INT, "minimum": 0, "exclusiveMinimum": True}, {**INT, "minimum": 1}),
        ({**INT, "exclusiveMaximum": 9}, {**INT, "maximum": 8}),
        ({**REAL, "minimum": 0, "exclusiveMinimum": True}, {**REAL, "exclusiveMinimum": 0}),
        ({**REAL, "minimum": 0, "exclusiveMinimum": False}, {**REAL, "minimum": 0}),
        ({**INT, "format": "int64"}, INT),
        ({**TEXT, "format": "byte"}, {**TEXT, "contentEncoding": "base64"}),
        ({**TEXT, "format": "decimal", "pattern": "^.*$"}, TEXT),
        ({"const": "a"}, {**TEXT, "enum": ["a"]}),
        ({"enum": ["b", "a", None]}, {"oneOf": [{"enum": ["a", "b"]}, {"enum": [None]}]}),
        ({"oneOf": [{"enum": ["a"]}, {"enum": ["b"]}]}, {**TEXT, "enum": ["b", "a"]}),
        ({"allOf": [{**TEXT, "minLength": 0}], "title": "T"}, TEXT),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}]},
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]},
        ),
        ({"type": "object", "additionalProperties": {}}, {"type": "object"}),
        ({"type": "object", "additionalProperties": True}, {"type": "object"}),
        ({**TEXT, "default": None, "x-more": 1, "deprecated": True}, TEXT),
        ({"anyOf": [TEXT, {"anyOf": [NULL]}]}, {"type": ["string", "null"]}),
        ({"type": "object", "properties": {"a": True}, "required": []}, {"properties": {"a": {}}}),
    ],
    ids=lambda schema: json.dumps(schema)[:40],
)
@pytest.mark.parametrize("request_", [True, False], ids=["request", "response"])
def test_two_ways_to_say_the_same(one: dict[str, Any], other: dict[str, Any], *, request_: bool):
    assert body(one, request=request_) == body(other, request=request_)


def test_what_a_property_is_called_is_no_keyword():
    schema = {"type": "object", "properties": {"title": {"type": "string"}, "readOnly": {}}}
    assert body(schema, request=True) == schema


def test_unknown_fields_are_refused_in_requests_only():
    closed = {"type": "object", "properties": {"a": {}}, "additionalProperties": False}
    assert body(closed, request=True) == closed
    assert "additionalProperties" not in body(closed, request=False)


def test_a_type_that_contains_itself_is_named_by_the_order_it_is_met_in():
    def document(name: str) -> dict[str, Any]:
        reference = {"$ref": f"#/components/schemas/{name}"}
        tree = {
            "title": name,
            "type": "object",
            "properties": {"children": {"type": "array", "items": reference}},
        }
        content = {"content": {JSON: {"schema": reference}}}
        return {
            "paths": {"/x": {"get": {"responses": {"200": content}}}},
            "components": {"schemas": {name: tree}},
        }

    one, other = (normalise(document(name), ["/x"]) for name in ("Tree", "Category"))
    assert one == other
    assert normalise(one, ["/x"]) == one
    assert compare(one, other) == []
    assert list(one["components"]["schemas"]) == ["Recursive1"]


def test_shared_parameters_and_references_are_followed():
    page = {"in": "query", "name": "page", "schema": {"type": "integer"}}
    document = {
        "paths": {
            "/x": {
                "parameters": [{"$ref": "#/components/parameters/page"}],
                "get": {
                    "parameters": [
                        {"in": "header", "name": "Accept", "schema": {}},
                        {"in": "cookie", "name": "session", "schema": {}},
                        {"in": "query", "name": "ids", "explode": False, "schema": {}},
                    ],
                    "responses": {
                        "200": {"$ref": "#/components/responses/a~1b"},
                        "default": {"description": "Anything."},
                    },
                },
                "options": {},
            }
        },
        "components": {
            "parameters": {"page": page},
            "responses": {"a/b": {"content": {"application/json; charset=utf-8": {"schema": {}}}}},
        },
    }
    assert normalise(document, ["/x"])["paths"]["/x"] == {
        "get": {
            "parameters": [{"in": "query", "name": "ids", "explode": False, "schema": {}}, page],
            "responses": {"200": {"description": "", "content": {JSON: {"schema": {}}}}},
        }
    }
