"""A port's method as a view."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rest_framework.permissions import AllowAny
from rest_framework.test import APIRequestFactory

from strangler.django.rest import PortView, errors
from strangler.ports.declare import Port, command
from strangler.ports.errors import DeclaredError
from tests.assets.sky.port import Weather, WeatherService


class Gone(DeclaredError, status=404):
    """It is not there any more."""

    place: str


class Full(DeclaredError, status=409):
    """No more fits in."""


class Shelf(Port, capability="shelf"):
    """Things lie on it."""

    @command(raises=[Gone, Full])
    def put(self, place: str) -> int:
        """Put one more there."""


class DegreesView(PortView, port=Weather, method="degrees", tags=["sky"]):
    """How warm it is."""

    implementation = WeatherService()
    authentication_classes = ()
    permission_classes = (AllowAny,)


def post(body: bytes, kind: str = "application/json", accept: str = "text/html") -> Any:
    request = APIRequestFactory().post("/degrees", body, content_type=kind, HTTP_ACCEPT=accept)
    return DegreesView.as_view()(request)


def test_it_answers_what_the_implementation_says() -> None:
    answer = post(b'{"place": "rome"}')
    assert (answer.status_code, json.loads(answer.content)) == (200, 21)
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("body", "kind", "status", "error"),
    [
        (b'{"place": 5}', "application/json", 400, "InvalidRequest"),
        (b"{}", "application/json", 400, "InvalidRequest"),
        (b"place=rome", "application/x-www-form-urlencoded", 415, "UnsupportedMediaType"),
    ],
)
def test_what_it_does_not_understand_is_a_problem(
    body: bytes, kind: str, status: int, error: str
) -> None:
    answer = post(body, kind)
    assert (answer.status_code, json.loads(answer.content)["error"]) == (status, error)


def test_it_is_posted_to() -> None:
    request = APIRequestFactory().get("/degrees")
    assert DegreesView.as_view()(request).status_code == 405


def test_a_method_that_the_port_has_not_is_named() -> None:
    with pytest.raises(KeyError, match="humidity"):

        class HumidityView(PortView, port=Weather, method="humidity"):
            """Nobody measures it."""


def test_one_may_derive_from_it_again() -> None:
    class Polite(DegreesView):
        """With manners of its own."""

        permission_classes = ()

    request = APIRequestFactory().post("/d", b'{"place": "x"}', content_type="application/json")
    assert Polite.as_view()(request).status_code == 200


def test_a_view_of_its_own_says_what_errors_the_port_declares() -> None:
    said = errors(Shelf, "put", 404, 409)

    assert {status: one.description for status, one in said.items()} == {
        404: "Gone",
        409: "Full",
    }
    assert "place" in json.dumps(said[404].response)
    for wrong in (("put", 410), ("take", 404)):
        with pytest.raises(KeyError):
            errors(Shelf, *wrong)
