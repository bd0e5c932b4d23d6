from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import DisallowedHost, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest
from django.test import Client
from django.urls import include, path
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from contracts.catalog import UnknownProduct
from monolith.config import errors, urls
from strangler.ports import face
from strangler.ports.errors import CircuitOpen, ConnectionLost, TimedOut

pytestmark = pytest.mark.django_db
FAULTS: dict[str, Exception] = {
    "declared": UnknownProduct(sku="HOE-1"),
    "unavailable": CircuitOpen("open"),
    "slow": TimedOut("slow"),
    "lost": ConnectionLost("lost"),
    "missing": Http404("secret"),
    "forbidden": PermissionDenied("secret"),
    "suspicious": SuspiciousOperation("secret"),
    "invalid": ValidationError({"a": {"b": [{}, {"c": ["bad"]}]}}),
    "nothing": ValidationError([]),
    "bug": ZeroDivisionError("secret"),
}


class Faulty(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request, fault: str) -> Response:
        raise FAULTS[fault]


def plain(request: HttpRequest, fault: str) -> None:
    raise FAULTS[fault]


handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
urlpatterns = [
    path("api/faulty/<str:fault>", Faulty.as_view()),
    path("api/plain/<str:fault>", plain),
    path("pages/<str:fault>", plain),
    path("", include(urls)),
]


@pytest.fixture
def faulty(settings: Any) -> Iterator[Client]:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def error(response: Any) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"error", "message", "detail"}
    assert isinstance(body["detail"], dict)
    assert body["message"]
    assert "secret" not in response.content.decode()
    return response.status_code, body["error"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("declared", (404, "UnknownProduct")),
        ("unavailable", (503, "Unavailable")),
        ("slow", (504, "TimedOut")),
        ("lost", (502, "BadGateway")),
        ("missing", (404, "NotFound")),
        ("forbidden", (403, "PermissionDenied")),
        ("suspicious", (400, "InvalidRequest")),
        ("invalid", (400, "InvalidRequest")),
        ("nothing", (400, "InvalidRequest")),
        ("bug", (500, "InternalError")),
    ],
)
def test_whatever_a_view_raises_has_one_shape(
    faulty: Client, fault: str, expected: tuple[int, str]
):
    assert error(faulty.get(f"/api/faulty/{fault}")) == expected


def test_a_deep_mistake_is_found_by_its_path(faulty: Client) -> None:
    assert faulty.get("/api/faulty/invalid").json()["detail"] == {
        "path": "$.a.b[1].c",
        "problems": [{"path": "$.a.b[1].c", "message": "bad"}],
    }


def test_the_shape_is_that_of_every_arm(faulty: Client):
    _, body = face.problem(FAULTS["declared"])

    assert faulty.get("/api/faulty/declared").json() == body


def test_who_may_come_again_is_told_when(faulty: Client):
    assert faulty.get("/api/faulty/unavailable")["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("missing", (404, "NotFound")),
        ("forbidden", (403, "PermissionDenied")),
        ("suspicious", (400, "InvalidRequest")),
        ("bug", (500, "InternalError")),
    ],
)
def test_so_has_whatever_django_itself_refuses(
    faulty: Client, fault: str, expected: tuple[int, str]
):
    assert error(faulty.get(f"/api/plain/{fault}")) == expected
    page = faulty.get(f"/pages/{fault}")
    assert page.status_code == expected[0]
    assert page["Content-Type"].startswith("text/html")


def test_an_unknown_path_is_a_404_that_says_so(anybody: APIClient):
    for method in ("get", "post", "put", "patch", "delete"):
        response = getattr(anybody, method)("/api/catalog/produce/")
        assert error(response) == (404, "NotFound")
        assert "/api/catalog/produce/" in response.json()["message"]
    assert error(anybody.get("/api/nowhere")) == (404, "NotFound")
    assert error(anybody.get("/api")) == (404, "NotFound")


def test_a_forgotten_slash_is_pointed_out(anybody: APIClient):
    response = anybody.post("/api/catalog/products", {})

    assert error(response) == (404, "NotFound")
    assert "Ask for /api/catalog/products/ instead" in response.json()["message"]


def test_what_a_path_cannot_do(anybody: APIClient, staff: APIClient):
    url = "/api/catalog/products/"
    response = staff.delete(url)
    assert error(response) == (405, "MethodNotAllowed")
    assert "POST" in response["Allow"]
    response = staff.post(url, "<xml/>", content_type="application/xml")
    assert error(response) == (415, "UnsupportedMediaType")
    assert error(anybody.get(url, headers={"accept": "text/html"})) == (406, "NotAcceptable")


@pytest.mark.parametrize("data", ["{", "", "nul", '{"a":NaN}', b"\xff", "[" * 100_000])
def test_malformed_json_is_refused(staff: APIClient, data: str):
    response = staff.post("/api/catalog/products/", data, content_type="application/json")

    assert error(response) == (400, "InvalidRequest")
    assert response.json()["detail"]["path"].startswith("$")


def test_a_body_is_bounded(staff: APIClient) -> None:
    for size, expected in ((2**20 - 2, 400), (2**20 - 1, 413)):
        data = f'"{"x" * size}"'
        response = staff.post("/api/catalog/products/", data, content_type="application/json")
        assert response.status_code == expected
    assert error(response) == (413, "TooLarge")


@pytest.mark.parametrize("data", ["[]", "1", '"text"', "null"])
def test_json_that_is_no_object_is_refused(staff: APIClient, data: str):
    for call, url in (
        (staff.post, "/api/catalog/products/"),
        (staff.post, "/api/identity/token"),
        (staff.patch, "/api/catalog/products/HOE-1/"),
    ):
        response = call(url, data, content_type="application/json")
        assert error(response) == (400, "InvalidRequest")
        assert response.json()["detail"]["path"].startswith("$")


def test_a_foreign_host_is_refused(settings: Any):
    settings.ALLOWED_HOSTS = ["shop.example"]
    client = APIClient(raise_request_exception=False)

    assert error(client.get("/api/catalog/products/", headers={"host": "evil"}))[0] == 400
    assert issubclass(DisallowedHost, SuspiciousOperation)


def test_every_error_of_the_framework_has_a_name():
    assert errors.NAMES
    assert len(set(errors.NAMES.values())) == len(errors.NAMES)
