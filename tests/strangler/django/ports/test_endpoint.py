"""The monolith's port endpoint: who may call, what is refused, and where a call is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from strangler.ladder import Stage
from strangler.ports import runtime
from strangler.ports.context import Context, User
from strangler.ports.serve import LIMIT, serve
from strangler.ports.trust import keys
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import Use, mint
from tests.assets.sky.port import Weather, WeatherService
from tests.strangler.django.behind_edge import Edge, Reply
from tests.strangler.django.faults import reply

ROME = {"place": "rome"}


@pytest.fixture
def answering(shop: Edge) -> Iterator[WeatherService]:
    keys.generate(shop.root / "keys", "tides")
    keys.generate(shop.root / "keys", "stranger")
    shop.keyring = Keyring.load(shop.root / "keys", "monolith")
    runtime.configure(keyring=shop.keyring)
    implementation = WeatherService()
    serve(Weather, implementation)
    yield implementation
    runtime.unregister(Weather)


def call(
    shop: Edge,
    method: str,
    arguments: Any = ROME,
    *,
    caller: str = "tides",
    capability: str = "weather",
    token: str | None = None,
    **context: Any,
) -> Reply:
    body = arguments if isinstance(arguments, bytes) else json.dumps(arguments).encode()
    once = method == "report"
    if token is None:
        token = mint(
            Keyring.load(shop.root / "keys", caller),
            Context(**{"hops": 1} | context),
            audience="monolith",
            use=Use.PORT,
            action=f"{capability}.{method}",
            once=once,
            body=body if once else None,
        )
    headers = {"X-Strangler-Context": token, "Content-Type": "application/json"}
    return shop.ask("POST", f"/_strangler/ports/{capability}/{method}", headers, body)


def test_a_caller_is_answered(shop: Edge, answering: WeatherService) -> None:
    said = call(shop, "degrees", user=User("7"))
    assert (said.status, said.json()) == (200, 21)
    assert said.header("Content-Type") == "application/json"
    assert answering.asked == [f"degrees rome {User('7')}"]


def test_it_wants_no_csrf_token_and_reads_no_cookie(shop: Edge, answering: WeatherService) -> None:
    assert call(shop, "report", {"place": "rome", "degrees": 3}).json() is True


def test_without_a_token_it_is_nobody_s(shop: Edge, answering: WeatherService) -> None:
    said = shop.ask("POST", "/_strangler/ports/weather/degrees", body=b'{"place":"rome"}')
    assert (said.status, said.header("X-Strangler-Executed")) == (401, "no")
    forged = call(shop, "degrees", token="a.b.c")
    assert (forged.status, forged.header("X-Strangler-Executed")) == (401, "no")
    assert answering.asked == []


def test_a_service_that_is_not_among_the_callers_is_refused(
    shop: Edge, answering: WeatherService
) -> None:
    said = call(shop, "degrees", caller="stranger")
    assert (said.status, said.json()["error"]) == (403, "CallerRefused")
    assert said.header("X-Strangler-Executed") == "no"
    assert answering.asked == []


def test_a_token_of_the_http_face_opens_no_port(shop: Edge, answering: WeatherService) -> None:
    assert call(shop, "degrees", token=shop.token(hops=1)).status == 401


def test_a_command_is_delivered_once(shop: Edge, answering: WeatherService) -> None:
    arguments = {"place": "rome", "degrees": 3}
    token = mint(
        Keyring.load(shop.root / "keys", "tides"),
        Context(hops=1),
        audience="monolith",
        use=Use.PORT,
        action="weather.report",
        once=True,
        body=json.dumps(arguments).encode(),
    )
    altered = call(shop, "report", arguments | {"degrees": 40}, token=token)
    assert (altered.status, altered.header("X-Strangler-Executed")) == (401, "no")
    assert call(shop, "report", arguments, token=token).status == 200
    assert call(shop, "report", arguments, token=token).status == 401
    assert answering.asked == ["report rome 3"]


@pytest.mark.parametrize(
    ("capability", "method", "status"),
    [("weather", "nothing", 404), ("nothing", "degrees", 403), ("weather", "__init__", 404)],
)
def test_what_is_not_there(
    shop: Edge, answering: WeatherService, capability: str, method: str, status: int
) -> None:
    said = call(shop, method, capability=capability)
    assert (said.status, said.header("X-Strangler-Executed")) == (status, "no")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_a_port_is_posted_to(shop: Edge, answering: WeatherService, method: str) -> None:
    assert shop.ask(method, "/_strangler/ports/weather/degrees").status == 405


def test_bad_and_oversized_arguments(shop: Edge, answering: WeatherService) -> None:
    assert call(shop, "degrees", {"place": 5}).status == 400
    assert call(shop, "degrees", b"{").status == 400
    assert call(shop, "degrees", b" " * (LIMIT + 1)).status == 413
    assert call(shop, "degrees", b" " * (5 * LIMIT)).status == 413
    assert answering.asked == []


class TestAShadow:
    def test_its_writes_are_gone(self, shop: Edge, answering: WeatherService) -> None:
        call(shop, "visits", shadow=True)
        assert answering.asked == ["visits rome"]
        assert get_user_model().objects.count() == 0
        call(shop, "visits")
        assert get_user_model().objects.count() == 1

    def test_it_commands_nothing(self, shop: Edge, answering: WeatherService) -> None:
        said = call(shop, "report", {"place": "rome", "degrees": 3}, shadow=True)
        assert (said.status, said.json()["error"]) == (403, "ShadowRefused")
        assert answering.asked == []


class TestTheLadder:
    def test_a_call_for_the_service_is_carried_there(
        self, shop: Edge, answering: WeatherService
    ) -> None:
        shop.stand(Stage.LIVE)
        shop.service.behave = reply(200, 12)
        said = call(shop, "degrees", cohort=5)
        assert (said.status, said.json()) == (200, 12)
        assert shop.service.seen[0].target == "/_strangler/ports/weather/degrees"
        assert answering.asked == []

    def test_and_back_here_if_that_fails(self, shop: Edge, answering: WeatherService) -> None:
        shop.stand(Stage.LIVE)
        shop.service.behave = reply(503, {})
        assert call(shop, "degrees", cohort=5).json() == 21

    def test_but_never_round_and_round(self, shop: Edge, answering: WeatherService) -> None:
        shop.stand(Stage.LIVE)
        said = call(shop, "degrees", cohort=5, hops=9)
        assert (said.status, shop.service.hits) == (508, 0)

    def test_once_the_monolith_s_code_is_gone_the_contract_is_enough(self, shop: Edge) -> None:
        keys.generate(shop.root / "keys", "tides")
        runtime.configure(keyring=Keyring.load(shop.root / "keys", "monolith"))
        shop.stand(Stage.RETIRED)
        shop.service.behave = reply(200, 12)
        assert call(shop, "degrees", cohort=5).json() == 12
