from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from strangler.ladder import Arm
from strangler.manifest.model import Placement
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.calling.remote import NotReachable
from strangler.ports.calling.route import NotServed, UnknownPlacement
from strangler.ports.codec import BadArguments
from strangler.ports.context import Context, User, current, job, use
from strangler.ports.errors import (
    CallRefused,
    CircuitOpen,
    OutcomeUnknown,
    TimedOut,
    TooLate,
    Unreachable,
)
from strangler.ports.runtime import Outcome
from strangler.ports.testing import placed, serving
from strangler.routing.decide import Call, Decision, Kind, Reason, decide
from tests.strangler.ports.sample import Missing, Shelf, Shop, Thing, Undeclared

pytestmark = pytest.mark.usefixtures("wired")

shop = bind(Shop)


@pytest.fixture
def shelf(wired: None) -> Shelf:
    shelf = Shelf()
    runtime.register(Shop, shelf)
    return shelf


def always(arm: Arm) -> Callable[[Call], Decision]:
    return lambda _call: Decision(arm, Reason.INSIDE)


class Observed(NamedTuple):
    arm: Arm
    kind: Kind
    outcome: Outcome


@pytest.fixture
def observed(wired: None) -> list[Observed]:
    """Everything that the observer is told."""
    told: list[Observed] = []

    def observe(capability: str, arm: Arm, kind: Kind, outcome: Outcome, seconds: float) -> None:
        assert capability == "shop"
        assert 0 <= seconds < 5
        told.append(Observed(arm, kind, outcome))

    runtime.configure(observe=observe)
    return told


# Nothing listens there: a port number that the kernel does not hand out.
NOWHERE = "http://127.0.0.1:1"


def nowhere(_capability: str, _arm: Arm) -> Sequence[str]:
    return (NOWHERE,)


class TestBinding:
    def test_the_same_port_is_bound_once_and_is_of_its_type(self):
        assert bind(Shop) is shop
        assert bind(Shelf) is shop
        assert isinstance(shop, Shop)

    def test_a_bound_method_looks_like_the_declared_one(self):
        assert shop.look.__name__ == "look"
        assert shop.look.__doc__ == "One thing."

    def test_threads_may_bind_and_call_at_once(self, shelf: Shelf):
        answers: list[Thing] = []
        threads = [
            threading.Thread(target=lambda: answers.append(bind(Shop).look("spade")))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [Thing("spade", Decimal("9.99"))] * 8


class TestPlacement:
    def test_without_a_table_the_implementation_here_answers(self, shelf: Shelf):
        assert shop.look("spade") == Thing("spade", Decimal("9.99"))
        assert shop.put("spade", price=Decimal(2)) == Thing("spade", Decimal(2))

    def test_nobody_here_and_nowhere_to_ask_is_said_with_the_remedy(self):
        with placed("local"), pytest.raises(NotServed, match=r"shop\.look.*serve\(Shop"):
            shop.look("spade")
        with pytest.raises(NotReachable, match="STRANGLER_SHOP_URL"):
            shop.look("spade")

    def test_who_comes_later_is_noticed(self, shelf: Shelf):
        shop.look("spade")
        other = Shelf()
        with serving(Shop, other):
            shop.look("spade")
        shop.look("spade")
        assert (len(shelf.asked), len(other.asked)) == (2, 1)

    def test_a_fake_that_replaced_nobody_leaves_nobody(self):
        with serving(Shop, Shelf()):
            shop.look("spade")
        assert runtime.implementation("shop") is None

    @pytest.mark.parametrize(
        ("said", "where"),
        [
            ({"environment": "loopback", "manifest": "local"}, "loopback"),
            ({"manifest": "loopback"}, "loopback"),
            ({"manifest": "auto"}, "elsewhere"),
            ({"environment": "remote", "manifest": "remote", "test": "local"}, "local"),
            ({"environment": "auto", "manifest": "loopback"}, "elsewhere"),
        ],
    )
    def test_a_test_outranks_the_environment_which_outranks_the_manifest(
        self,
        shelf: Shelf,
        monkeypatch: pytest.MonkeyPatch,
        said: dict[str, Placement],
        where: str,
    ):
        if "environment" in said:
            monkeypatch.setenv("STRANGLER_SHOP", said["environment"])
        with runtime.configured(
            placements={"shop": said["manifest"]},
            placed={"shop": said["test"]} if "test" in said else {},
            place=always(Arm.SERVICE),
            urls=nowhere,
        ):
            if where == "elsewhere":
                with pytest.raises(Unreachable):
                    shop.look("spade")
            else:
                shop.look("spade")
                assert shelf.contexts[0].hops == (1 if where == "loopback" else 0)

    def test_the_run_s_default_for_tests_stands_between_environment_and_manifest(
        self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ):
        with runtime.configured(placements={"shop": "local"}, placed={"*": "loopback"}):
            shop.look("spade")
            assert shelf.contexts[-1].hops == 1
            monkeypatch.setenv("STRANGLER_SHOP", "local")
            runtime.configure()
            shop.look("spade")
            assert shelf.contexts[-1].hops == 0

    def test_an_unknown_placement_is_refused(self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("STRANGLER_SHOP", "moon")
        runtime.configure()
        with pytest.raises(UnknownPlacement, match=r"STRANGLER_SHOP=moon.*local, loopback"):
            shop.look("spade")

    def test_placed_nests_and_restores(self, shelf: Shelf):
        with placed("loopback"):
            with placed(shop="local"):
                shop.look("spade")
            shop.look("spade")
        shop.look("spade")
        assert [context.hops for context in shelf.contexts] == [0, 1, 0]


class TestLocal:
    def test_errors_come_through_as_they_are(self, shelf: Shelf):
        with pytest.raises(Missing) as missing:
            shop.look("nothing")
        assert missing.value.name == "nothing"
        with pytest.raises(ZeroDivisionError):
            shop.look("bug")

    def test_the_caller_s_context_is_the_callee_s(self, shelf: Shelf):
        with use(Context(cohort=7)) as context:
            shop.look("spade")
        assert shelf.contexts == [context]


@pytest.fixture
def loopback(shelf: Shelf) -> Shelf:
    runtime.configure(placed={"*": "loopback"})
    return shelf


class TestLoopback:
    def test_arguments_and_answers_go_through_the_codec(self, loopback: Shelf):
        names = ["spade", "fork"]
        assert shop.look_all(names) == [Thing(name, Decimal("9.99")) for name in names]
        with pytest.raises(CallRefused, match=r"\$\.name"):
            shop.look(7)  # type: ignore[arg-type]  # which is the point
        with pytest.raises(BadArguments, match=r"\$\.price"):
            shop.put("spade", Decimal("NaN"))
        with pytest.raises(TypeError):
            shop.look()  # type: ignore[call-arg]  # ditto
        assert loopback.asked == ["look_all"]

    def test_a_declared_error_arrives_as_another_of_its_type(self, loopback: Shelf):
        with pytest.raises(Missing) as missing:
            shop.look("nothing")
        assert missing.value.name == "nothing"
        assert isinstance(missing.value.__cause__, Missing)
        assert missing.value is not missing.value.__cause__

    @pytest.mark.parametrize(
        ("name", "cause"), [("bug", ZeroDivisionError), ("undeclared", Undeclared)]
    )
    def test_what_is_not_declared_is_what_a_wire_makes_of_it(
        self, loopback: Shelf, name: str, cause: type[Exception]
    ):
        with pytest.raises(OutcomeUnknown, match="raises=") as unknown:
            shop.look(name)
        assert isinstance(unknown.value.__cause__, cause)

    def test_an_answer_that_does_not_fit_breaks_here(
        self, loopback: Shelf, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(Shelf, "look", lambda self, name: {"name": name})
        runtime.configure()
        with pytest.raises(OutcomeUnknown):
            shop.look("spade")

    def test_the_callee_sees_what_it_would_see_elsewhere(self, loopback: Shelf):
        with use(Context(caller="client", cohort=7, user=User("1"), hops=1)):
            shop.look("spade")
        (context,) = loopback.contexts
        assert (context.caller, context.cohort, context.hops) == ("monolith", 7, 2)
        assert context.user == User("1")
        assert context.deadline is not None
        assert context.trace is not None
        assert current().hops == 0

    def test_the_deadline_shrinks_and_is_kept(
        self, loopback: Shelf, monkeypatch: pytest.MonkeyPatch
    ):
        now = 1000.0
        monkeypatch.setattr("time.monotonic", lambda: now)

        def slow(self: Shelf, name: str) -> Thing:
            nonlocal now
            now += 0.3
            loopback.contexts.append(current())
            return Thing(name, Decimal(1))

        monkeypatch.setattr(Shelf, "hurry", slow)
        runtime.configure()
        shop.hurry("spade")
        assert loopback.contexts[-1].deadline == 1000.5
        with use(Context(deadline=now + 0.2)):
            with pytest.raises(TimedOut):
                shop.hurry("spade")
            with pytest.raises(TooLate):
                shop.hurry("spade")


class TestAuto:
    def test_the_ladder_is_asked_for_each_call(self, shelf: Shelf):
        class Half:
            def holds(self, capability: str, kind: Kind, cohort: int) -> bool:
                assert capability == "shop"
                return cohort < 500 and kind is Kind.QUERY

        with runtime.configured(place=lambda call: decide(call, Half()), urls=nowhere):
            with use(Context(cohort=500)):
                shop.look("spade")
            with use(Context(cohort=499)):
                with pytest.raises(Unreachable):
                    shop.look("spade")
                shop.sell("spade")
                with use(Context(cohort=499, forced={"shop": Arm.MONOLITH})):
                    shop.look("spade")
            with (
                use(Context(cohort=500, forced={"shop": Arm.SERVICE})),
                pytest.raises(Unreachable),
            ):
                shop.look("spade")
        assert shelf.asked == ["look spade", "sell spade", "look spade"]

    def test_a_cohort_is_drawn_where_there_is_none_and_holds_for_all_within(self, shelf: Shelf):
        asked: list[int] = []

        def place(call: Call) -> Decision:
            asked.append(call.cohort)
            return Decision(Arm.MONOLITH, Reason.OUTSIDE)

        with runtime.configured(place=place):
            shop.look("spade")
            assert shelf.contexts[0].cohort == asked[0]
            with job() as context:
                shop.look("spade")
                shop.look("spade")
            assert asked[1:] == [context.cohort] * 2

    @pytest.mark.parametrize(
        ("name", "error", "outcome"),
        [
            ("spade", None, Outcome.OK),
            ("nothing", Missing, Outcome.DECLARED),
            ("bug", ZeroDivisionError, Outcome.FAILED),
        ],
    )
    def test_the_observer_is_told_how_it_ended(
        self,
        shelf: Shelf,
        observed: list[Observed],
        name: str,
        error: type[Exception] | None,
        outcome: Outcome,
    ):
        with runtime.configured(place=always(Arm.MONOLITH)):
            if error is None:
                shop.look(name)
            else:
                with pytest.raises(error):
                    shop.look(name)
        assert observed == [(Arm.MONOLITH, Kind.QUERY, outcome)]

    def test_shadow_calls_are_not_observed(self, shelf: Shelf, observed: list[Observed]):
        with runtime.configured(place=always(Arm.MONOLITH)), use(Context(shadow=True)):
            shop.look("spade")
        assert (shelf.asked, observed) == (["look spade"], [])

    def test_only_what_the_ladder_places_is_observed(self, shelf: Shelf, observed: list[Observed]):
        with runtime.configured(place=always(Arm.MONOLITH)), placed("local"):
            shop.look("spade")
        assert (shelf.asked, observed) == (["look spade"], [])

    def test_a_service_is_at_home_on_its_own_arm(self, shelf: Shelf, observed: list[Observed]):
        with runtime.configured(party="shop", arm=Arm.SERVICE, place=always(Arm.SERVICE)):
            shop.look("spade")
        assert observed == [(Arm.SERVICE, Kind.QUERY, Outcome.OK)]


class TestFallback:
    @pytest.fixture(autouse=True)
    def _service_is_away(self, observed: list[Observed]) -> None:
        runtime.configure(
            place=always(Arm.SERVICE), urls=nowhere, fallback=lambda _capability, _kind: True
        )

    def test_a_query_is_answered_by_the_monolith_and_counted(
        self, shelf: Shelf, observed: list[Observed]
    ):
        with use(Context(cohort=3)):
            assert shop.look("spade") == Thing("spade", Decimal("9.99"))
        assert observed == [(Arm.SERVICE, Kind.QUERY, Outcome.FALLBACK)]

    def test_a_command_that_was_never_sent_too_where_either_arm_may_take_it(
        self, shelf: Shelf, observed: list[Observed]
    ):
        shop.sell("spade")
        runtime.configure(fallback=lambda _capability, kind: kind is Kind.QUERY)
        with pytest.raises(Unreachable):
            shop.sell("spade")
        assert shelf.asked == ["sell spade"]
        assert [one.outcome for one in observed] == [Outcome.FALLBACK, Outcome.FAILED]

    def test_not_once_the_monolith_may_not_have_it(self, shelf: Shelf):
        runtime.configure(fallback=lambda _capability, _kind: False)
        with pytest.raises(Unreachable):
            shop.look("spade")
        assert shelf.asked == []

    def test_not_when_nobody_waits_any_more(self, shelf: Shelf):
        with use(Context(deadline=0.0)), pytest.raises(TooLate):
            shop.look("spade")
        assert shelf.asked == []

    def test_an_error_of_the_monolith_itself_is_its_answer(self, shelf: Shelf):
        with pytest.raises(Missing):
            shop.look("nothing")

    def test_a_service_that_is_away_is_left_alone_after_a_while(
        self, shelf: Shelf, observed: list[Observed]
    ):
        for _ in range(5):
            shop.look("spade")
        assert len(shelf.asked) == 5
        with runtime.configured(fallback=None), pytest.raises(CircuitOpen, match="too often"):
            shop.look("spade")

    def test_a_failure_within_our_own_arm_is_not_repeated_on_the_other(self):
        """An implementation's own call was refused: that says nothing about what it did before."""

        class Reselling(Shelf):
            def sell(self, name: str) -> Thing:
                super().sell(name)
                raise Unreachable("the supplier is away")

        reselling = Reselling()
        with (
            serving(Shop, reselling),
            runtime.configured(party="shop", arm=Arm.SERVICE),
            pytest.raises(Unreachable, match="supplier"),
        ):
            shop.sell("spade")
        assert reselling.sold == 1

    def test_the_declared_fallback_answers_when_nobody_else_does(self, shelf: Shelf):
        assert shop.guess("spade") == Thing("spade", Decimal("9.99"))
        runtime.configure(fallback=None)
        assert shop.guess("spade") == Thing("spade", Decimal(0))
        assert shop.guess(name="fork") == Thing("fork", Decimal(0))


class TestShadow:
    @pytest.mark.parametrize("where", ["local", "loopback", "remote", "auto"])
    def test_a_command_is_refused_wherever_it_is_placed(self, shelf: Shelf, where: Any):
        runtime.configure(place=always(Arm.MONOLITH), urls=nowhere)
        with placed(where), use(Context(shadow=True)):
            with pytest.raises(CallRefused, match="shadow"):
                shop.sell("spade")
            with pytest.raises(CallRefused, match="shadow"):
                shop.put("spade")
        assert shelf.asked == []

    def test_a_query_passes_and_carries_the_mark(self, loopback: Shelf):
        with use(Context(shadow=True)):
            shop.look("spade")
        assert loopback.contexts[0].shadow


class TestRegistering:
    def test_an_implementation_is_derived_from_its_port(self):
        with pytest.raises(TypeError, match="derive it from"):
            runtime.register(Shop, object())  # type: ignore[arg-type]  # which is the point

    def test_an_implementation_is_whole(self):
        class Part(Shop):
            def look(self, name: str) -> Thing:
                return Thing(name, Decimal(1))

        with pytest.raises(TypeError, match="does not implement hurry, look_all, guess, sell, put"):
            runtime.register(Shop, Part())
