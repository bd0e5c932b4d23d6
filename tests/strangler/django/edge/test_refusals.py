"""What a service, the edge or Django refuses: who is told what, and whose failure it is."""

from __future__ import annotations

import pytest

from strangler.django.edge import proxy
from strangler.django.edge.proxy import Answered
from strangler.ladder import Stage
from strangler.ports.face import LIMIT
from tests.strangler.django import faults as bad
from tests.strangler.django.behind_edge import Edge
from tests.strangler.django.edge.test_faults import COMMANDS, QUERIES, ask
from tests.strangler.django.faults import reply


class TestRefusals:
    """The service answers that it will not do this, and has executed nothing."""

    @pytest.mark.parametrize(("method", "target"), [*QUERIES, *COMMANDS])
    @pytest.mark.parametrize("status", [400, 405, 413, 508])
    def test_one_about_the_request_is_the_client_s(
        self, shop: Edge, status: int, method: str, target: str
    ) -> None:
        shop.begin(failures=2)
        shop.stand(Stage.LIVE)
        shop.service.behave = reply(status, {"error": "No"}, "X-Strangler-Executed: no")
        for _ in range(5):
            answer = ask(shop, method, target)
            assert (answer.status, answer.arm) == (status, "service")
            assert answer.header("X-Strangler-Executed") == "no"
        assert {one[3:] for one in shop.recorded} == {(False, False)}
        assert (shop.service.hits, shop.asked) == (5, [])

    @pytest.mark.parametrize("status", [401, 403, 429])
    def test_none_of_them_opens_the_breaker(self, shop: Edge, status: int) -> None:
        shop.begin(failures=2)
        shop.stand(Stage.RETIRED)
        shop.service.behave = reply(status, {}, "X-Strangler-Executed: no")
        for _ in range(5):
            assert ask(shop, "PUT", "/weather/rome").status == 503
        assert shop.service.hits == 5
        assert {one[3:] for one in shop.recorded} == {(True, False)}
        shop.service.behave = reply(200, {})
        assert ask(shop, "PUT", "/weather/rome").status == 200


@pytest.mark.parametrize("status", [101, 600, 999])
class TestNoStatus:
    def test_a_query_is_answered_by_the_monolith(self, shop: Edge, status: int) -> None:
        shop.stand(Stage.LIVE)
        shop.service.behave = reply(status, {})
        answer = ask(shop, "GET", "/weather/rome")
        assert (answer.status, answer.arm, answer.reason) == (200, "monolith", "fallback")
        assert shop.recorded == [("weather", "service", "query", True, True)]

    def test_a_command_s_outcome_is_unknown(self, shop: Edge, status: int) -> None:
        shop.stand(Stage.LIVE)
        shop.service.behave = reply(status, {})
        answer = ask(shop, "PUT", "/weather/rome")
        assert (answer.status, answer.json()["error"]) == (502, "OutcomeUnknown")
        assert shop.recorded == [("weather", "service", "command", True, False)]


class TestOurOwnMistakes:
    """Whatever goes wrong once the service is asked is seen by the canary."""

    def test_an_answer_that_django_can_t_hold(
        self, shop: Edge, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        headers = [("X-A", "a\nb")]
        monkeypatch.setattr(proxy.Upstream, "ask", lambda *_, **__: Answered(200, headers, b"{}"))
        shop.stand(Stage.LIVE)
        answer = ask(shop, "GET", "/weather/rome")
        assert (answer.status, answer.reason) == (200, "fallback")
        assert ask(shop, "PUT", "/weather/rome").json()["error"] == "OutcomeUnknown"
        assert [one[2:] for one in shop.recorded] == [
            ("query", True, True),
            ("command", True, False),
        ]

    def test_what_nobody_has_thought_of(self, shop: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
        def surprise(*_: object, **__: object) -> Answered:
            raise KeyError("surprise")

        monkeypatch.setattr(proxy.Upstream, "ask", surprise)
        shop.stand(Stage.LIVE)
        assert ask(shop, "GET", "/weather/rome").status == 500
        assert shop.recorded == [("weather", "service", "query", True, False)]

    def test_a_host_that_is_not_ours_is_the_client_s_mistake(self, shop: Edge) -> None:
        shop.stand(Stage.LIVE)
        assert shop.ask("GET", "/weather/rome", {"Host": "evil.example"}).status == 400
        assert (shop.service.hits, shop.recorded) == (0, [])


class TestWhoHasAnswered:
    """What the edge says itself claims no arm."""

    def test_an_apology(self, shop: Edge) -> None:
        shop.stand(Stage.RETIRED)
        shop.service.behave = bad.close
        answer = ask(shop, "PUT", "/weather/rome")
        assert (answer.status, answer.arm, answer.reason) == (502, None, None)
        assert shop.recorded == [("weather", "service", "command", True, False)]

    def test_a_body_that_is_too_large(self, shop: Edge) -> None:
        shop.stand(Stage.LIVE)
        answer = shop.ask("PUT", "/weather/rome", body=b" " * (LIMIT + 1))
        assert (answer.status, answer.arm, shop.recorded) == (413, None, [])


class TestMethods:
    @pytest.mark.parametrize("stage", [Stage.MONOLITH, Stage.LIVE])
    @pytest.mark.parametrize(
        ("method", "status", "error"),
        [
            ("CONNECT", 405, "MethodNotAllowed"),
            ("TRACE", 405, "MethodNotAllowed"),
            ("PROPFIND", 501, "NotImplemented"),
            ("X", 501, "NotImplemented"),
        ],
    )
    def test_what_no_capability_knows_gets_no_further(
        self, shop: Edge, stage: Stage, method: str, status: int, error: str
    ) -> None:
        shop.stand(stage)
        answer = shop.ask(method, "/weather/rome", body=b"x")
        assert (answer.status, answer.json()["error"]) == (status, error)
        assert answer.header("Allow") == "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"
        assert answer.arm is None
        assert (shop.service.hits, shop.asked, shop.recorded) == (0, [], [])

    def test_elsewhere_they_are_the_project_s_business(self, shop: Edge) -> None:
        assert shop.ask("PROPFIND", "/about/us").status != 501
