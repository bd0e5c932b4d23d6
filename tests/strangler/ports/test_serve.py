"""The server's half of the wire, asked as a caller would ask it."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from strangler.ladder import Arm
from strangler.ports import headers as names
from strangler.ports import runtime, serve
from strangler.ports.calling.wire import Answer as Received
from strangler.ports.calling.wire import request, result
from strangler.ports.codec import codec
from strangler.ports.context import Context, User, current
from strangler.ports.declare import methods
from strangler.ports.errors import Unreachable
from strangler.ports.freezing.freeze import digest
from strangler.ports.serve import LIMIT, Answer, dispatch
from strangler.ports.trust.keys import Keyring, generate
from strangler.ports.trust.tokens import Use, mint
from strangler.routing.decide import Call, Decision, Reason
from tests.strangler.django.faults import Behave, Faults, faults, reply
from tests.strangler.ports.sample import Missing, Shelf, Shop, Thing

pytestmark = pytest.mark.usefixtures("wired")

SPADE = b'{"name":"spade"}'
PROBLEM = {"error": "E", "message": "m", "detail": {}}
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


class Caller:
    """A kit party that calls the shop's port on the monolith."""

    def __init__(self, keys: Path, party: str) -> None:
        self.keyring = Keyring.load(keys, party)

    def token(self, method: str, body: bytes, context: Context, **claims: Any) -> str:
        once = method in {"sell", "put"}
        given = {
            "audience": "monolith",
            "use": Use.PORT,
            "action": f"shop.{method}",
            "once": once,
            "body": body if once else None,
        }
        return mint(self.keyring, context, **{**given, **claims})

    def headers(
        self, method: str, body: bytes, context: Context | None = None, **claims: Any
    ) -> dict[str, str]:
        token = self.token(method, body, context or Context(), **claims)
        return {names.CONTEXT.lower(): token}

    def ask(
        self, method: str, body: bytes = SPADE, context: Context | None = None, **more: str
    ) -> Answer:
        headers = {**self.headers(method, body, context), **more}
        return dispatch("shop", method, body, headers, callers=["shop"])


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf()
    serve.serve(Shop, shelf)
    return shelf


@pytest.fixture
def caller(keys: Path, shelf: Shelf) -> Caller:
    return Caller(keys, "shop")


def problem(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)
    assert found.keys() == {"error", "message", "detail"}
    return found


def refused(answer: Answer, status: int, error: str) -> dict[str, Any]:
    """It was refused like this, and says that nothing was executed."""
    assert (answer.status, problem(answer)["error"]) == (status, error)
    assert answer.headers == {"Content-Type": "application/json", names.EXECUTED: "no"}
    return problem(answer)


def test_a_call_is_answered(caller: Caller, shelf: Shelf):
    answer = caller.ask("look")
    assert answer == Answer(
        200,
        {
            "Content-Type": "application/json",
            "X-Strangler-Digest": digest(Shop),
            "X-Strangler-Arm": "monolith",
        },
        b'{"name":"spade","price":"9.99"}',
    )
    assert shelf.asked == ["look spade"]


def test_what_the_calling_half_sends_and_reads_is_what_the_answering_half_reads_and_sends(
    keys: Path, shelf: Shelf
):
    look = codec(methods(Shop)["look"])

    def round_trip(name: str) -> object:
        body = look.encode_arguments((name,), {})
        deadline = time.monotonic() + 1
        sent = request(look.method, Context(), body, audience="monolith", deadline=deadline)
        assert sent.path == f"{serve.PATH}shop/look"
        back = dispatch("shop", "look", sent.body, lowered(sent.headers), callers=())
        return result(look, Received(back.status, lowered(back.headers), back.body))

    assert round_trip("spade") == shelf.look("spade")
    with pytest.raises(Missing) as raised:
        round_trip("nothing")
    assert raised.value.name == "nothing"


def lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_the_work_is_done_for_whoever_it_is_said_to_be_done_for(caller: Caller, shelf: Shelf):
    context = Context(
        user=User("7", ("staff",)), cohort=17, hops=2, shadow=True, forced={"shop": Arm.SERVICE}
    )
    before = time.monotonic()
    more = {names.DEADLINE.lower(): "0.250", "traceparent": TRACE, "tracestate": "a=b"}
    assert caller.ask("look", SPADE, context, **more).status == 200
    (seen,) = shelf.contexts
    assert (seen.caller, seen.user, seen.cohort) == ("shop", User("7", ("staff",)), 17)
    assert (seen.hops, seen.shadow, seen.forced) == (2, True, {"shop": Arm.SERVICE})
    assert seen.deadline is not None
    assert before + 0.25 <= seen.deadline <= time.monotonic() + 0.25
    assert seen.trace is not None
    assert (seen.trace.trace, seen.trace.state) == ("a" * 32, "a=b")
    assert seen.trace.span != "b" * 16
    assert current().caller is None


def test_a_trace_that_is_none_is_replaced(caller: Caller, shelf: Shelf):
    assert caller.ask("look", traceparent="garbage").status == 200
    assert shelf.contexts[0].trace is not None


def test_the_monolith_may_always_call(keys: Path, shelf: Shelf):
    monolith = Caller(keys, "monolith")
    answer = dispatch("shop", "look", SPADE, monolith.headers("look", SPADE), callers=())
    assert answer.status == 200


def test_a_declared_error_travels_by_name(caller: Caller):
    answer = caller.ask("look", b'{"name":"nothing"}')
    assert answer.status == 422
    assert answer.headers[names.ERROR] == "declared"
    assert answer.headers[names.DIGEST] == digest(Shop)
    assert names.EXECUTED not in answer.headers
    assert json.loads(answer.body) == {"error": "Missing", "detail": {"name": "nothing"}}


class Faulty(Shelf):
    """Fails as an implementation may."""

    def __init__(self, fail: Callable[[], Any]) -> None:
        super().__init__()
        self.fail = fail

    def look(self, name: str) -> Thing:
        thing: Thing = self.fail()
        return thing

    def sell(self, name: str) -> Thing:
        return self.look(name)


class Sub(Missing):
    """Another error, by its name."""


def raises(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    "fail",
    [
        raises(ZeroDivisionError("secret")),
        raises(Sub("secret")),
        raises(Unreachable("secret: a call of another port was not executed; this one began")),
        object,
    ],
    ids=["a bug", "an undeclared error", "a call that failed", "not JSON"],
)
@pytest.mark.parametrize("method", ["look", "sell"])
def test_what_goes_wrong_within_is_logged_and_told_to_nobody(
    keys: Path, caplog: pytest.LogCaptureFixture, fail: Callable[[], Any], method: str
):
    serve.serve(Shop, Faulty(fail))
    answer = Caller(keys, "shop").ask(method)
    assert answer.status == 500
    assert answer.headers == {"Content-Type": "application/json"}
    assert b"secret" not in answer.body
    said = problem(answer)
    (record,) = caplog.records
    assert (record.levelno, record.name) == (logging.ERROR, "strangler.ports")
    assert said["detail"]["id"] in record.message
    assert f"shop.{method} failed" in record.message
    assert record.exc_info is not None


def test_bad_arguments_are_refused_with_their_path(caller: Caller, shelf: Shelf):
    said = refused(caller.ask("look", b'{"name": 7}'), 400, "BadArguments")
    assert said["detail"] == {"path": "$.name"}
    assert shelf.asked == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"{}", b"[" * 100_000])
def test_any_body_is_answered(caller: Caller, shelf: Shelf, body: bytes):
    refused(caller.ask("look", body), 400, "BadArguments")
    refused(caller.ask("sell", body), 400, "BadArguments")
    assert shelf.asked == []


def test_a_body_has_a_limit(caller: Caller, shelf: Shelf):
    large = b'{"name":"' + b"x" * LIMIT + b'"}'
    refused(caller.ask("look", large), 413, "TooLarge")
    fits = b'{"name":"' + b"x" * (LIMIT - 11) + b'"}'
    assert caller.ask("look", fits).status == 200
    headers = caller.headers("look", SPADE)
    tight = dispatch("shop", "look", SPADE, headers, callers=["shop"], limit=len(SPADE) - 1)
    refused(tight, 413, "TooLarge")
    assert len(shelf.asked) == 1


def test_nothing_answers_what_there_is_not(caller: Caller, shelf: Shelf):
    refused(caller.ask("lock"), 404, "UnknownMethod")
    headers = caller.headers("look", SPADE, action="other.look")
    refused(dispatch("other", "look", SPADE, headers, callers=["shop"]), 404, "UnknownMethod")
    runtime.unregister(Shop)
    refused(caller.ask("look"), 404, "UnknownMethod")
    headers = caller.headers("look", SPADE)
    here = dispatch("shop", "look", SPADE, headers, callers=["shop"], port=Shop)
    refused(here, 404, "UnknownMethod")
    assert shelf.asked == []


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"audience": "pricing"}, "(aud)"),
        ({"use": Use.HTTP}, "(use)"),
        ({"action": "shop.sell"}, "(act)"),
        ({"now": 1_000_000.0}, "(exp)"),
        ({"now": time.time() + 3600}, "(iat)"),
    ],
    ids=["another party", "another face", "another method", "expired", "from the future"],
)
@pytest.mark.parametrize("method", ["look", "put"])
def test_a_token_that_proves_something_else(
    caller: Caller, shelf: Shelf, method: str, claims: dict[str, Any], said: str
):
    headers = caller.headers(method, SPADE, **claims)
    answer = dispatch("shop", method, SPADE, headers, callers=["shop"])
    assert said in refused(answer, 401, "TokenRefused")["message"]
    assert shelf.asked == []


def test_no_token_or_none_of_ours(caller: Caller, shelf: Shelf, tmp_path: Path):
    for party in ("shop", "monolith"):
        generate(tmp_path, party)
    forged = Caller(tmp_path, "shop").headers("look", SPADE)[names.CONTEXT.lower()]
    good = caller.headers("look", SPADE)[names.CONTEXT.lower()]
    unsigned = "eyJhbGciOiJub25lIn0." + good.split(".")[1] + "."
    for token in (None, "", "garbage", "a.b.c", good[:-4] + "AAAA", unsigned, forged, f"{good},x"):
        headers = {} if token is None else {names.CONTEXT.lower(): token}
        refused(dispatch("shop", "look", SPADE, headers, callers=["shop"]), 401, "TokenRefused")
    assert shelf.asked == []


def test_who_does_not_prove_who_it_is_learns_nothing(caller: Caller):
    for method in ("look", "sell", "nowhere"):
        refused(dispatch("shop", method, SPADE, {}, callers=()), 401, "TokenRefused")


def test_a_command_is_delivered_once_and_as_it_was_signed(caller: Caller, shelf: Shelf):
    headers = caller.headers("sell", SPADE)
    first, second = (dispatch("shop", "sell", SPADE, headers, callers=["shop"]) for _ in range(2))
    assert first.status == 200
    refused(second, 401, "TokenRefused")
    altered = dispatch(
        "shop", "sell", b'{"name":"gold"}', caller.headers("sell", SPADE), callers=["shop"]
    )
    assert "not the one that was signed" in refused(altered, 401, "TokenRefused")["message"]
    lasting = caller.headers("sell", SPADE, once=False)
    refused(dispatch("shop", "sell", SPADE, lasting, callers=["shop"]), 401, "TokenRefused")
    assert shelf.sold == 1


def test_a_query_may_be_asked_again(caller: Caller, shelf: Shelf):
    headers = caller.headers("look", SPADE)
    for _ in range(3):
        assert dispatch("shop", "look", SPADE, headers, callers=["shop"]).status == 200
    assert len(shelf.asked) == 3


def test_who_is_not_among_the_callers_is_refused(keys: Path, shelf: Shelf):
    stranger = Caller(keys, "stranger")
    said = refused(stranger.ask("look"), 403, "CallerRefused")
    assert "stranger may not call shop.look: name it in the capability's callers" in said["message"]
    refused(stranger.ask("nowhere"), 403, "CallerRefused")
    assert shelf.asked == []


def test_a_shadow_call_changes_nothing(caller: Caller, shelf: Shelf):
    shadow = Context(shadow=True)
    assert caller.ask("look", SPADE, shadow).status == 200
    refused(caller.ask("sell", SPADE, shadow), 403, "ShadowRefused")
    refused(caller.ask("put", SPADE, shadow), 403, "ShadowRefused")
    assert shelf.asked == ["look spade"]


def test_a_call_does_not_go_round_for_ever(caller: Caller, shelf: Shelf):
    assert caller.ask("look", SPADE, Context(hops=serve.HOPS)).status == 200
    refused(caller.ask("look", SPADE, Context(hops=serve.HOPS + 1)), 508, "TooManyHops")
    assert len(shelf.asked) == 1


@pytest.mark.parametrize(
    "said",
    ["", " ", "soon", "nan", "inf", "-inf", "1e3", "1,5", "+1", "0x1", "1_0", "1" * 10, "1.", "٣"],
)
def test_a_deadline_is_a_number_of_seconds(caller: Caller, shelf: Shelf, said: str):
    refused(caller.ask("look", **{names.DEADLINE.lower(): said}), 400, "BadDeadline")
    assert shelf.asked == []


@pytest.mark.parametrize("said", ["0", "0.000", "-1", "-0.5"])
def test_a_call_that_comes_too_late_is_not_begun(caller: Caller, shelf: Shelf, said: str):
    refused(caller.ask("look", **{names.DEADLINE.lower(): said}), 408, "TooLate")
    assert shelf.asked == []


def test_without_a_deadline_the_method_s_own_counts(caller: Caller, shelf: Shelf):
    before = time.monotonic()
    caller.ask("look")
    deadline = shelf.contexts[0].deadline
    assert deadline is not None
    timeout = methods(Shop)["look"].timeout
    assert before + timeout <= deadline <= time.monotonic() + timeout


def test_another_contract_is_said_once_and_fails_nothing(
    caller: Caller, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(serve, "_skewed", set())
    for theirs in (digest(Shop), "other", "other", "x" * 10_000):
        assert caller.ask("look", **{names.DIGEST.lower(): theirs}).status == 200
    first, second = caplog.messages
    assert "shop knows another contract of shop (other) than is answered here" in first
    assert len(second) < 300
    monkeypatch.setattr(serve, "_SKEWS", 2)
    caller.ask("look", **{names.DIGEST.lower(): "yet another"})
    assert len(caplog.messages) == 2


def test_without_keys_nothing_is_begun(
    caller: Caller, shelf: Shelf, caplog: pytest.LogCaptureFixture
):
    headers = caller.headers("look", SPADE)
    with runtime.configured(keyring=None):
        refused(dispatch("shop", "look", SPADE, headers, callers=["shop"]), 503, "Failed")
    assert "no keyring" in caplog.text
    assert shelf.asked == []


def test_a_rim_stands_around_the_work_once_it_is_known_what_it_is(caller: Caller, shelf: Shelf):
    seen: list[str] = []

    @contextlib.contextmanager
    def around(context: Context) -> Iterator[None]:
        seen.append(f"for {context.caller}, shadow {context.shadow}")
        yield
        seen.extend(shelf.asked)

    def ask(body: bytes) -> Answer:
        headers = caller.headers("look", body, Context(shadow=True))
        return dispatch("shop", "look", body, headers, callers=["shop"], around=around)

    ask(b"{}")
    assert seen == []
    ask(SPADE)
    assert seen == ["for shop, shadow True", "look spade"]


class Ladder:
    """A monolith whose table sends everything to the service, which is a fault server."""

    def __init__(self, service: Faults) -> None:
        self.service = service
        self.observed: list[tuple[Arm, str]] = []
        self.falls_back = True
        self.arm = Arm.SERVICE
        runtime.configure(
            place=lambda _call: Decision(self.arm, Reason.INSIDE),
            urls=lambda _capability, _arm: (service.url,),
            fallback=lambda _capability, _kind: self.falls_back,
            observe=lambda _name, arm, _kind, outcome, _seconds: self.observed.append(
                (arm, str(outcome))
            ),
        )


@pytest.fixture
def ladder(wired: None) -> Iterator[Ladder]:
    with faults() as service:
        service.behave = reply(200, {"name": "far", "price": "1"})
        yield Ladder(service)


def place(caller: Caller, method: str, context: Context | None = None) -> Answer:
    headers = caller.headers(method, SPADE, context)
    return dispatch("shop", method, SPADE, headers, callers=["shop"], ladder=True)


def test_the_monolith_places_the_calls_of_services(caller: Caller, shelf: Shelf, ladder: Ladder):
    answer = place(caller, "look", Context(cohort=17, hops=1))
    assert (answer.status, answer.body) == (200, b'{"name":"far","price":"1"}')
    assert answer.headers[names.ARM] == "service"
    ladder.arm = Arm.MONOLITH
    assert place(caller, "look").headers[names.ARM] == "monolith"
    assert shelf.asked == ["look spade"]
    assert ladder.observed == [(Arm.SERVICE, "ok"), (Arm.MONOLITH, "ok")]


def test_the_cohort_that_travels_decides(caller: Caller, shelf: Shelf, ladder: Ladder):
    calls: list[Call] = []

    def decide(call: Call) -> Decision:
        calls.append(call)
        return Decision(Arm.MONOLITH, Reason.OUTSIDE)

    runtime.configure(place=decide)
    place(caller, "look", Context(cohort=17, forced={"shop": Arm.MONOLITH}))
    place(caller, "look")
    assert (calls[0].cohort, calls[0].forced) == (17, Arm.MONOLITH)
    assert calls[1].cohort == shelf.contexts[1].cohort
    assert shelf.contexts[1].cohort in range(1000)


def test_a_declared_error_of_the_service_is_passed_on(caller: Caller, shelf: Shelf, ladder: Ladder):
    ladder.service.behave = reply(
        422, {"error": "Missing", "detail": {"name": "x"}}, "X-Strangler-Error: declared"
    )
    answer = place(caller, "look")
    assert answer.status == 422
    assert json.loads(answer.body) == {"error": "Missing", "detail": {"name": "x"}}
    assert ladder.observed == [(Arm.SERVICE, "declared")]
    assert shelf.asked == []


def test_a_query_that_the_service_fails_is_answered_here(
    caller: Caller, shelf: Shelf, ladder: Ladder
):
    ladder.service.behave = reply(500, PROBLEM)
    answer = place(caller, "look")
    assert (answer.status, answer.headers[names.ARM]) == (200, "monolith")
    assert shelf.asked == ["look spade"]
    assert ladder.observed == [(Arm.SERVICE, "fallback")]


@pytest.mark.parametrize(
    ("behave", "status", "executed"),
    [
        (reply(500, PROBLEM), 502, None),
        (reply(200, PROBLEM, kind="text/html"), 502, None),
        (reply(503, PROBLEM, "X-Strangler-Executed: no"), 503, "no"),
        (reply(408, PROBLEM, "X-Strangler-Executed: no"), 408, "no"),
        (reply(401, PROBLEM, "X-Strangler-Executed: no"), 403, "no"),
        (reply(404, PROBLEM, "X-Strangler-Executed: no"), 403, "no"),
    ],
    ids=["failed", "not a port", "busy", "too late", "refused", "unknown"],
)
@pytest.mark.usefixtures("shelf")
def test_what_the_service_says_of_a_call_stays_true(
    caller: Caller, ladder: Ladder, behave: Behave, status: int, executed: str | None
):
    ladder.falls_back = False
    ladder.service.behave = behave
    for method in ("look", "sell"):
        answer = place(caller, method)
        assert (answer.status, answer.headers.get(names.EXECUTED)) == (status, executed)
        problem(answer)
    assert ladder.observed == [(Arm.SERVICE, "failed")] * 2


def test_a_command_goes_to_the_other_arm_only_if_nothing_was_sent(
    caller: Caller, shelf: Shelf, ladder: Ladder
):
    ladder.service.behave = reply(500, PROBLEM)
    assert place(caller, "sell").status == 502
    assert shelf.sold == 0
    runtime.configure(urls=lambda _capability, _arm: ("http://127.0.0.1:1",))
    answer = place(caller, "sell")
    assert (answer.status, answer.headers[names.ARM]) == (200, "monolith")
    assert shelf.sold == 1
    ladder.falls_back = False
    refused(place(caller, "sell"), 503, "Unreachable")
    assert shelf.sold == 1


def test_a_call_that_failed_within_is_not_taken_for_this_one(
    keys: Path, ladder: Ladder, caplog: pytest.LogCaptureFixture
):
    """A monolith's command that could not reach yet another port has begun nevertheless."""
    ladder.arm = Arm.MONOLITH
    serve.serve(Shop, Faulty(raises(Unreachable("some other port"))))
    answer = place(Caller(keys, "shop"), "sell")
    assert answer.status == 500
    assert names.EXECUTED not in answer.headers
    assert ladder.observed == [(Arm.MONOLITH, "failed")]


def test_a_service_that_nobody_has_named_is_not_reachable(
    caller: Caller, shelf: Shelf, ladder: Ladder
):
    runtime.configure(urls=None)
    assert (
        "nothing says where shop is"
        in refused(place(caller, "look"), 503, "NotReachable")["message"]
    )


def test_what_the_monolith_has_no_more_is_asked_of_the_service(
    caller: Caller, shelf: Shelf, ladder: Ladder
):
    runtime.unregister(Shop)
    ladder.falls_back = False
    headers = caller.headers("look", SPADE)
    answer = dispatch("shop", "look", SPADE, headers, callers=["shop"], port=Shop, ladder=True)
    assert (answer.status, answer.headers[names.ARM]) == (200, "service")


def test_a_shadow_call_is_not_counted(caller: Caller, shelf: Shelf, ladder: Ladder):
    place(caller, "look", Context(shadow=True))
    assert ladder.observed == []
