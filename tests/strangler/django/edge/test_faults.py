"""A service that fails: queries are answered all the same, and no command ever runs twice."""

from __future__ import annotations

import time
from typing import Any

import pytest

from strangler.ladder import Stage
from tests.strangler.django import faults as bad
from tests.strangler.django.behind_edge import Edge
from tests.strangler.django.faults import Behave, faults, reply

QUERIES = [
    ("GET", "/weather/rome"),
    ("HEAD", "/weather/rome"),
    ("POST", "/weather/search"),
]
COMMANDS = [
    ("POST", "/weather/rome"),
    ("PUT", "/weather/rome"),
    ("PATCH", "/weather/rome"),
    ("DELETE", "/weather/rome"),
]
SILENT: dict[str, Behave] = {
    "hangs": bad.hang,
    "closes": bad.close,
    "resets": bad.reset,
    "garbage": bad.garbage,
    "half-headers": bad.half_headers,
    "half-body": bad.half,
    "drips": bad.drip,
    "drips-body": bad.drip_body,
}
LATE = {"hangs", "drips", "drips-body"}
SOON = "600ms"


def ask(shop: Edge, method: str, target: str) -> Any:
    began = time.monotonic()
    answer = shop.ask(method, target, body=b"" if method in {"GET", "HEAD"} else b"payload")
    # Whatever happens, nobody waits much longer than the manifest says. A hanging service does so
    # for ten seconds, a dripping one for twenty.
    assert time.monotonic() - began < 8
    return answer


@pytest.mark.parametrize(("method", "target"), QUERIES)
@pytest.mark.parametrize("fault", [*SILENT, "502", "503", "504"])
def test_a_query_is_answered_by_the_monolith(
    shop: Edge, fault: str, method: str, target: str
) -> None:
    if fault in LATE:
        shop.begin(timeout=SOON)
    shop.stand(Stage.LIVE, tables=True)
    shop.service.behave = SILENT.get(fault) or reply(int(fault), {"error": "Down"})
    answer = ask(shop, method, target)
    if fault == "half-body" and method == "HEAD":
        # A HEAD's answer ends with its headers.
        assert (answer.status, answer.arm) == (200, "service")
        return
    if fault == "drips-body" and method == "HEAD":
        assert (answer.status, answer.arm) == (200, "service")
        return
    assert (answer.status, answer.arm, answer.reason) == (200, "monolith", "fallback")
    assert shop.asked == [(method, target)]
    assert shop.service.hits == 1
    assert shop.recorded == [("weather", "service", "query", True, True)]
    if target.endswith("search"):
        assert answer.json() == {"found": "payload"}


@pytest.mark.parametrize(("method", "target"), COMMANDS)
@pytest.mark.parametrize("fault", SILENT)
def test_a_command_that_was_sent_is_never_sent_again(
    shop: Edge, fault: str, method: str, target: str
) -> None:
    """Not even where both arms may take commands."""
    if fault in LATE:
        shop.begin(timeout=SOON)
    shop.stand(Stage.LIVE)
    shop.service.behave = SILENT[fault]
    answer = ask(shop, method, target)
    assert answer.status == (504 if fault in LATE else 502)
    assert answer.json()["error"] == "OutcomeUnknown"
    assert answer.header("Retry-After") == "1"
    assert answer.header("X-Strangler-Executed") is None
    assert shop.service.hits == 1
    assert shop.asked == []
    assert shop.recorded == [("weather", "service", "command", True, False)]


@pytest.mark.parametrize(("method", "target"), COMMANDS)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_what_a_service_answers_to_a_command_is_passed_on(
    shop: Edge, status: int, method: str, target: str
) -> None:
    shop.stand(Stage.LIVE)
    shop.service.behave = reply(status, {"error": "Down"}, "Retry-After: 7")
    answer = ask(shop, method, target)
    assert (answer.status, answer.arm, answer.json()) == (status, "service", {"error": "Down"})
    assert answer.header("Retry-After") == "7"
    assert (shop.service.hits, shop.asked) == (1, [])


@pytest.mark.parametrize("status", [400, 404, 429, 500, 501])
def test_other_errors_of_a_query_are_answers(shop: Edge, status: int) -> None:
    shop.stand(Stage.LIVE)
    shop.service.behave = reply(status, {"error": "No"})
    answer = ask(shop, "GET", "/weather/rome")
    assert (answer.status, answer.arm) == (status, "service")
    assert shop.recorded == [("weather", "service", "query", status >= 500, False)]


class TestRefused:
    """Nobody listens: nothing can have happened."""

    @pytest.fixture
    def down(self, shop: Edge) -> Edge:
        with faults() as gone:
            pass
        shop.service.url = gone.url
        shop.begin()
        return shop

    @pytest.mark.parametrize(("method", "target"), [*QUERIES, *COMMANDS])
    def test_without_tables_the_monolith_takes_everything(
        self, down: Edge, method: str, target: str
    ) -> None:
        down.stand(Stage.LIVE)
        answer = ask(down, method, target)
        assert (answer.arm, answer.reason) == ("monolith", "fallback")
        assert answer.status in {200, 201}
        assert down.asked == [(method, target)]
        assert down.recorded[0][3:] == (True, True)

    @pytest.mark.parametrize(("method", "target"), COMMANDS)
    def test_with_tables_a_command_is_the_owner_s(
        self, down: Edge, monkeypatch: pytest.MonkeyPatch, method: str, target: str
    ) -> None:
        monkeypatch.setattr("strangler.django.tables.has_tables", lambda _: True)
        down.stand(Stage.LIVE, tables=True)
        answer = ask(down, method, target)
        assert (answer.status, answer.json()["error"]) == (503, "Unavailable")
        assert answer.header("Retry-After") == "1"
        assert answer.header("X-Strangler-Executed") == "no"
        assert answer.header("Cache-Control") == "no-store"
        assert down.asked == []

    @pytest.mark.parametrize(("method", "target"), [*QUERIES, *COMMANDS])
    def test_once_it_is_retired_nobody_stands_in(
        self, down: Edge, method: str, target: str
    ) -> None:
        down.stand(Stage.RETIRED)
        assert ask(down, method, target).status == 503
        assert down.asked == []

    def test_the_next_replica_is_asked(self, shop: Edge) -> None:
        with faults() as gone:
            pass
        alive = shop.service.url
        shop.service.url = f'{gone.url}", "{alive}'
        shop.begin()
        shop.stand(Stage.LIVE)
        for method, target in [*QUERIES, *COMMANDS] * 2:
            assert ask(shop, method, target).arm == "service"
        assert shop.service.hits == 2 * len([*QUERIES, *COMMANDS])


class TestNotBegun:
    """The service answers, and says that it has executed nothing."""

    @pytest.mark.parametrize(("method", "target"), [*QUERIES, *COMMANDS])
    @pytest.mark.parametrize("status", [401, 421, 429, 503])
    def test_it_is_as_good_as_refused(
        self, shop: Edge, status: int, method: str, target: str
    ) -> None:
        shop.stand(Stage.LIVE)
        shop.service.behave = reply(status, {}, "X-Strangler-Executed: no")
        answer = ask(shop, method, target)
        assert (answer.arm, answer.reason) == ("monolith", "fallback")
        assert shop.asked == [(method, target)]


class TestRetired:
    def test_a_query_is_tried_again_for_want_of_anybody_else(self, shop: Edge) -> None:
        shop.stand(Stage.RETIRED)
        turns = iter([bad.close, bad.reset])

        def behave(peer: Any, seen: Any) -> None:
            next(turns, reply(200, {"third": True}))(peer, seen)

        shop.service.behave = behave
        answer = ask(shop, "GET", "/weather/rome")
        assert (answer.json(), shop.service.hits) == ({"third": True}, 3)

    def test_a_command_is_not(self, shop: Edge) -> None:
        shop.stand(Stage.RETIRED)
        shop.service.behave = bad.close
        assert ask(shop, "PUT", "/weather/rome").status == 502
        assert shop.service.hits == 1

    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_its_own_word_is_passed_on(self, shop: Edge, status: int) -> None:
        shop.stand(Stage.RETIRED)
        shop.service.behave = reply(status, {"error": "Down"})
        assert ask(shop, "GET", "/weather/rome").json() == {"error": "Down"}

    def test_time_is_not_spent_twice(self, shop: Edge) -> None:
        shop.begin(timeout=SOON)
        shop.stand(Stage.RETIRED)
        shop.service.behave = bad.hang
        assert ask(shop, "GET", "/weather/rome").status == 504
        assert shop.service.hits == 1


class TestTheBreaker:
    def test_who_keeps_failing_is_left_alone(self, shop: Edge) -> None:
        shop.begin(failures=3)
        shop.stand(Stage.LIVE)
        shop.service.behave = bad.close
        for _ in range(6):
            assert ask(shop, "GET", "/weather/rome").reason == "fallback"
        assert shop.service.hits == 3
        assert [one[3:] for one in shop.recorded] == [(True, True)] * 6
        # Nothing is sent, so a command may go where both arms may take it.
        assert ask(shop, "PUT", "/weather/rome").arm == "monolith"
        shop.stand(Stage.RETIRED)
        assert ask(shop, "GET", "/weather/rome").status == 503
        assert shop.service.hits == 3

    def test_an_error_of_the_application_does_not_open_it(self, shop: Edge) -> None:
        shop.begin(failures=3)
        shop.stand(Stage.LIVE)
        shop.service.behave = reply(500, {})
        for _ in range(6):
            assert ask(shop, "GET", "/weather/rome").status == 500
        assert shop.service.hits == 6


def test_a_connection_that_went_stale_is_nobody_s_failure(shop: Edge) -> None:
    """The service closes a kept connection just when the next request might use it."""

    def answer_and_go(peer: Any, seen: Any) -> None:
        reply(200, {})(peer, seen)
        if seen.method == "GET":
            raise bad.Gone

    shop.stand(Stage.LIVE)
    shop.service.behave = answer_and_go
    for _ in range(10):
        assert ask(shop, "GET", "/weather/rome").arm == "service"
        assert ask(shop, "PUT", "/weather/rome").arm == "service"
    assert [seen.method for seen in shop.service.seen] == ["GET", "PUT"] * 10
    assert not any(failed for *_, failed, _ in shop.recorded)


def test_queries_share_connections(shop: Edge) -> None:
    shop.stand(Stage.LIVE)
    for _ in range(10):
        ask(shop, "GET", "/weather/rome")
    assert shop.service.connections == 1
