"""Commands pass the door: once, wherever they run, and go to the side that owns the rows."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from strangler.ladder import Arm
from strangler.ports import headers as names
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.calling.awaiting import call
from strangler.ports.calling.wire import PATH, request
from strangler.ports.context import Context, current, use
from strangler.ports.declare import methods
from strangler.ports.errors import Busy, DoorShut, NotOwner
from strangler.ports.runtime import Outcome
from strangler.ports.serve import dispatch
from strangler.ports.testing import placed
from strangler.ports.transports import httpx
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import Use, verify
from strangler.routing.decide import Call, Decision, Kind, Reason, decide
from tests.strangler.django.faults import Faults, Seen, faults, reply
from tests.strangler.ports.callers import NOT_EXECUTED, SPADE
from tests.strangler.ports.sample import Shelf, Shop, Thing

pytestmark = pytest.mark.usefixtures("wired")

shop = bind(Shop)


class Side:
    """The door of this process's side: who owns the rows, and whether it is open."""

    def __init__(self) -> None:
        self.owner = Arm.MONOLITH
        self.epoch = 3
        self.inside = 0
        self.entered = 0
        self.open = threading.Event()
        self.open.set()

    @contextmanager
    def door(self, capability: str, deadline: float) -> Iterator[int]:
        assert capability == "shop"
        if not self.open.wait(deadline - time.monotonic()):
            raise DoorShut("shop: it has not opened")
        if self.owner is not runtime.wiring.arm:
            raise NotOwner("not here", owner=self.owner, epoch=self.epoch)
        self.entered += 1
        self.inside += 1
        try:
            yield self.epoch
        finally:
            self.inside -= 1


class Nesting(Shelf):
    """Calls itself within a command, and looks whether the door is held meanwhile."""

    def __init__(self, side: Side) -> None:
        super().__init__()
        self.side = side
        self.held: list[int] = []

    def sell(self, name: str) -> Thing:
        self.held.append(self.side.inside)
        if name == "set":
            self.side.open.clear()  # a freeze begins: it waits for us, and must not stop us
            shop.sell("part")
        return super().sell(name)


@pytest.fixture
def side(wired: None) -> Side:
    side = Side()
    runtime.configure(door=side.door, epoch=lambda _capability: 3)
    return side


@pytest.fixture
def shelf(side: Side) -> Nesting:
    shelf = Nesting(side)
    runtime.register(Shop, shelf)
    return shelf


@pytest.fixture
def other(side: Side) -> Iterator[Faults]:
    """The service's side, which answers well until it is told otherwise."""
    with faults() as service:
        service.behave = reply(200, SPADE)
        runtime.configure(urls=lambda _capability, _arm: (service.url,))
        yield service


def on(arm: Arm) -> None:
    """Let the ladder send everything there."""
    runtime.configure(place=lambda _call: Decision(arm, Reason.INSIDE))


def refused(owner: Arm, epoch: int) -> list[str]:
    return [NOT_EXECUTED, f"{names.OWNER}: {owner}", f"{names.EPOCH}: {epoch}"]


def elsewhere(owner: Arm, epoch: int) -> object:
    problem = {"error": "NotOwner", "message": "not here"}
    return reply(421, problem, *refused(owner, epoch))


class TestHere:
    @pytest.mark.parametrize("placement", ["local", "loopback", "auto"])
    def test_a_command_holds_the_door_while_it_runs(
        self, side: Side, shelf: Nesting, placement: str
    ):
        on(Arm.MONOLITH)
        with placed(placement):
            shop.sell("spade")

        assert (shelf.held, side.inside, side.entered) == ([1], 0, 1)
        assert current().doors == ()

    @pytest.mark.parametrize("placement", ["local", "loopback", "auto"])
    def test_what_is_nested_passes_a_door_that_is_being_closed(
        self, side: Side, shelf: Nesting, placement: str
    ):
        on(Arm.MONOLITH)
        with placed(placement):
            shop.sell("set")

        assert (shelf.held, side.entered) == ([1, 1], 1)
        assert shelf.contexts[0].doors == ("shop@monolith",)

    def test_a_query_never_waits(self, side: Side, shelf: Nesting):
        side.open.clear()
        with placed("local"):
            assert shop.look("spade").name == "spade"
        assert side.entered == 0

    def test_a_freeze_costs_latency(self, side: Side, shelf: Nesting):
        on(Arm.MONOLITH)
        side.open.clear()
        began = time.monotonic()
        threading.Timer(0.1, side.open.set).start()
        shop.sell("spade")
        assert time.monotonic() - began >= 0.1
        assert shelf.sold == 1

    def test_who_waits_beyond_his_deadline_is_told_that_nothing_was_done(
        self, side: Side, shelf: Nesting
    ):
        on(Arm.MONOLITH)
        side.open.clear()
        with use(Context(deadline=time.monotonic() + 0.1)), pytest.raises(DoorShut):
            shop.sell("spade")
        assert shelf.sold == 0

    def test_an_error_of_the_implementation_opens_it_again(self, side: Side, shelf: Nesting):
        class Fails(Nesting):
            def sell(self, name: str) -> Thing:
                raise NotOwner("about a call of my own", owner=Arm.SERVICE, epoch=9)

        runtime.register(Shop, Fails(side))
        on(Arm.MONOLITH)
        with pytest.raises(NotOwner, match="of my own"):
            shop.sell("spade")
        assert (side.inside, side.entered) == (0, 1)


class TestElsewhere:
    def test_a_side_that_does_not_own_sends_it_to_the_one_that_does(
        self, side: Side, shelf: Nesting, other: Faults, keys: Path
    ):
        on(Arm.MONOLITH)
        side.owner, side.epoch = Arm.SERVICE, 4
        assert shop.sell("spade").name == "spade"
        assert (shelf.sold, other.hits) == (0, 1)
        assert proved(other.seen[0], keys).epoch == 4

    def test_what_the_other_side_refuses_comes_home(
        self, side: Side, shelf: Nesting, other: Faults
    ):
        observed: list[tuple[Arm, Outcome]] = []
        runtime.configure(
            observe=lambda _name, arm, _kind, outcome, _seconds: observed.append((arm, outcome))
        )
        on(Arm.SERVICE)
        other.behave = elsewhere(Arm.MONOLITH, 5)  # type: ignore[assignment]
        shop.sell("spade")
        assert (shelf.sold, other.hits) == (1, 1)
        assert observed == [(Arm.MONOLITH, Outcome.OK)]

    def test_the_same_for_callers_that_await(self, side: Side, shelf: Nesting, other: Faults):
        on(Arm.SERVICE)
        other.behave = elsewhere(Arm.MONOLITH, 5)  # type: ignore[assignment]

        async def ask() -> None:
            await call(shop.sell, "spade")
            await httpx.close()

        asyncio.run(ask())
        assert (shelf.sold, other.hits) == (1, 2)

    def test_a_stale_epoch_is_corrected_inside(self, side: Side, other: Faults, keys: Path):
        """The service owns, but since epoch 5; the table beside us still says 3."""
        told: list[int] = []

        def stale(peer: object, seen: Seen) -> None:
            told.append(proved(seen, keys).epoch)
            behave = reply(200, SPADE) if told[-1] == 5 else elsewhere(Arm.SERVICE, 5)
            behave(peer, seen)  # type: ignore[operator]

        other.behave = stale
        on(Arm.SERVICE)
        assert shop.sell("spade").name == "spade"
        assert told == [3, 5]

    def test_it_goes_round_until_its_deadline_and_no_longer(
        self, side: Side, shelf: Nesting, other: Faults
    ):
        on(Arm.MONOLITH)
        side.owner = Arm.SERVICE
        other.behave = elsewhere(Arm.MONOLITH, 3)  # type: ignore[assignment]
        with use(Context(deadline=time.monotonic() + 0.4)), pytest.raises(DoorShut):
            shop.sell("spade")
        assert 1 <= other.hits < 10
        assert shelf.sold == 0

    def test_a_door_that_is_shut_there_is_waited_for(self, side: Side, other: Faults):
        problem = {"error": "DoorShut", "message": "shut"}

        def shut(peer: object, seen: Seen) -> None:
            behave = reply(200, SPADE)
            if other.hits < 4:
                behave = reply(503, problem, NOT_EXECUTED)
            behave(peer, seen)  # type: ignore[arg-type]

        other.behave = shut
        on(Arm.SERVICE)
        assert shop.sell("spade").name == "spade"

    def test_a_hold_says_where_its_side_is(self, side: Side, shelf: Nesting, other: Faults):
        """Whatever a stale table says: while the service's door is held, it is the owner."""
        on(Arm.MONOLITH)
        with use(Context(doors=("shop@service",))):
            shop.sell("spade")
        assert (shelf.sold, other.hits) == (0, 1)

    def test_the_hold_travels(self, side: Side, other: Faults, keys: Path):
        on(Arm.SERVICE)
        with use(Context(doors=("cellar@monolith",))):
            shop.sell("spade")
            shop.look("spade")
        assert [proved(seen, keys).doors for seen in other.seen] == [("cellar@monolith",)] * 2


def proved(seen: Seen, keys: Path) -> Context:
    method = seen.target.rpartition("/")[2]
    return verify(
        Keyring.load(keys, "shop"),
        seen.header(names.CONTEXT) or "",
        use=Use.PORT,
        action=f"shop.{method}",
    )


class TestTheCallee:
    """What a side says to a call from outside."""

    @pytest.fixture(autouse=True)
    def at_the_service(self, keys: Path, side: Side, shelf: Nesting) -> None:
        runtime.configure(
            party="shop", arm=Arm.SERVICE, keyring=Keyring.load(keys, "shop"), place=None
        )
        side.owner = Arm.SERVICE

    def ask(self, keys: Path, context: Context | None = None, method: str = "sell"):
        body = b'{"name":"spade"}'
        with runtime.configured(keyring=Keyring.load(keys, "monolith")):
            asked = request(
                methods(Shop)[method],
                context or Context(hops=1),
                body,
                audience="shop",
                deadline=time.monotonic() + 0.2,
            )
        assert asked.path == f"{PATH}shop/{method}"
        headers = {name.lower(): value for name, value in asked.headers.items()}
        return dispatch("shop", method, body, headers, callers=())

    def test_an_owner_answers(self, keys: Path, side: Side, shelf: Nesting):
        answer = self.ask(keys, Context(hops=1, epoch=3))
        assert (answer.status, shelf.held) == (200, [1])
        assert shelf.contexts[0].epoch == 0
        assert answer.headers[names.COMMANDED] == "shop"

    def test_who_is_none_says_who_is(self, keys: Path, side: Side, shelf: Nesting):
        side.owner = Arm.MONOLITH
        answer = self.ask(keys)
        assert answer.status == 421
        assert answer.headers[names.EXECUTED] == "no"
        assert answer.headers[names.OWNER] == "monolith"
        assert answer.headers[names.EPOCH] == "3"
        assert shelf.sold == 0

    @pytest.mark.parametrize(("known", "status"), [(0, 200), (3, 200), (2, 421), (4, 421)])
    def test_another_epoch_is_none_of_ours(
        self, keys: Path, side: Side, shelf: Nesting, known: int, status: int
    ):
        answer = self.ask(keys, Context(hops=1, epoch=known))
        assert answer.status == status
        assert side.inside == 0
        if status == 421:
            assert answer.headers[names.OWNER] == "service"
            assert shelf.sold == 0

    def test_a_door_that_stays_shut_is_said_in_time(self, keys: Path, side: Side, shelf: Nesting):
        side.open.clear()
        answer = self.ask(keys)
        assert (answer.status, answer.headers[names.EXECUTED]) == (503, "no")
        assert b"DoorShut" in answer.body

    def test_a_hold_of_this_side_passes_and_one_of_the_other_does_not(
        self, keys: Path, side: Side, shelf: Nesting
    ):
        side.open.clear()
        assert self.ask(keys, Context(hops=1, doors=("shop@service",))).status == 200
        assert self.ask(keys, Context(hops=1, doors=("shop@monolith",))).status == 421

    def test_a_query_is_answered_whoever_owns(self, keys: Path, side: Side, shelf: Nesting):
        side.owner = Arm.MONOLITH
        side.open.clear()
        answer = self.ask(keys, method="look")
        assert answer.status == 200
        assert names.COMMANDED not in answer.headers


class TestReadYourWrites:
    """Whoever has commanded within a request has its queries answered by the owner."""

    def test_a_command_pins_what_follows(self, side: Side, shelf: Nesting, other: Faults):
        canary: list[Call] = []

        class Half:
            def holds(self, capability: str, kind: Kind, cohort: int) -> bool:
                return kind is Kind.QUERY

        def place(call: Call) -> Decision:
            canary.append(call)
            return decide(call, Half())

        runtime.configure(place=place)
        with use(Context(cohort=1, pins=set())):
            shop.look("spade")
            assert other.hits == 1
            shop.sell("spade")
            shop.look("spade")
            assert other.hits == 1
        assert shelf.asked == ["sell spade", "look spade"]
        assert canary[-1].pinned
        with use(Context(cohort=1)):
            shop.look("spade")
        assert other.hits == 2

    def test_what_is_commanded_elsewhere_comes_back_with_the_answer(
        self, side: Side, other: Faults
    ):
        other.behave = reply(200, SPADE, f"{names.COMMANDED}: cellar,kitchen")
        on(Arm.SERVICE)
        pins: set[str] = set()
        with use(Context(pins=pins)):
            shop.look("spade")
        assert pins == {"cellar", "kitchen"}

    def test_pins_travel_and_a_job_has_its_own(self, side: Side, other: Faults, keys: Path):
        on(Arm.SERVICE)
        with use(Context(pins={"cellar"})):
            shop.look("spade")
        assert proved(other.seen[0], keys).pins == {"cellar"}


def test_a_callee_that_is_merely_busy_is_no_door(side: Side, other: Faults):
    other.behave = reply(503, {"error": "Busy", "message": "full"}, NOT_EXECUTED)
    on(Arm.SERVICE)
    with pytest.raises(Busy):
        shop.sell("spade")
