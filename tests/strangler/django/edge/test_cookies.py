"""The cookies that a service may set, and how they reach a client."""

from __future__ import annotations

import pickle

import pytest
from django.http import HttpResponse

from strangler.django.edge import cookies
from strangler.ladder import Stage
from tests.strangler.django.behind_edge import Edge
from tests.strangler.django.faults import reply


@pytest.fixture(autouse=True)
def live(shop: Edge) -> None:
    shop.stand(Stage.LIVE)


def test_its_cookies_but_not_the_monolith_s(shop: Edge) -> None:
    shop.service.behave = reply(
        200, {},
        "Set-Cookie: theme=dark; Path=/weather; HttpOnly; SameSite=Strict",
        "Set-Cookie: seen=1; Expires=Wed, 21 Oct 2037 07:28:00 GMT",
        "Set-Cookie: sessionid=stolen; Path=/",
        "Set-Cookie: csrftoken=stolen",
        "Set-Cookie: strangler_cohort=5",
    )  # fmt: skip
    said = shop.ask("GET", "/weather/rome", {"X-Tenant": "acme"})
    cookies = [value.strip() for name, value in said.headers if name == "Set-Cookie"]
    assert sorted(one.split("=")[0] for one in cookies) == ["seen", "theme"]
    theme = next(one for one in cookies if one.startswith("theme"))
    assert all(part in theme for part in ("dark", "Path=/weather", "HttpOnly", "SameSite=Strict"))


@pytest.mark.parametrize(
    "line",
    [
        "p=1; Path=/; Secure; Partitioned; Priority=High",
        'prefs={"a":1,"b":[2]}; Path=/',
        "a/b=1",
        "a[b]=1; SameSite=None",
        "a=1; sessionid=EVIL; csrftoken=EVIL",
        "a=1, sessionid=EVIL",
    ],
)
def test_a_cookie_is_passed_on_as_it_came_and_is_one(shop: Edge, line: str) -> None:
    shop.service.behave = reply(200, {}, f"Set-Cookie: {line}")
    said = shop.ask("GET", "/weather/rome", {"X-Tenant": "acme"})
    cookies = [value.strip() for name, value in said.headers if name == "Set-Cookie"]
    assert (said.status, said.arm) == (200, "service")
    assert [one for one in cookies if not one.startswith("strangler_cohort=")] == [line]


def test_one_name_for_two_paths_is_two_cookies(shop: Edge) -> None:
    lines = ["a=1; Path=/", "a=2; Path=/weather"]
    shop.service.behave = reply(200, {}, *(f"Set-Cookie: {line}" for line in lines))
    said = shop.ask("GET", "/weather/rome", {"X-Tenant": "acme"})
    cookies = [value.strip() for name, value in said.headers if name == "Set-Cookie"]
    assert [one for one in cookies if one.startswith("a=")] == lines


@pytest.mark.parametrize(
    "line",
    [
        "", "sessionid", "=sessionid=EVIL", ";sessionid=EVIL", " sessionid =EVIL; Path=/",
        "a=\xe9", "a=\x01",
    ],
)  # fmt: skip
def test_a_cookie_that_might_become_another_is_not(line: str) -> None:
    said = HttpResponse()
    cookies.pass_on(said, line)
    assert not said.cookies


def test_a_cookie_can_t_end_its_line() -> None:
    said = HttpResponse()
    cookies.pass_on(said, "a=1\r\nSet-Cookie: sessionid=EVIL")
    assert not said.cookies


def test_a_cookie_survives_a_cache() -> None:
    said = HttpResponse()
    cookies.pass_on(said, "a/b=1; Partitioned")
    kept = pickle.loads(pickle.dumps(said))  # noqa: S301  # our own
    assert kept.cookies["a/b"].output(header="").strip() == "a/b=1; Partitioned"
    assert kept.cookies["a/b"].value == "1"
