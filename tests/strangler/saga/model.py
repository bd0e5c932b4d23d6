"""A world in which sagas run: callees that answer late, processes that die, an operator.

Every interleaving within the bounds is looked at. The promises are about the world, not about the
table: what has really been done when a saga says how it has ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from strangler.saga.machine import (
    TRANSITIONS,
    Event,
    IllegalEvent,
    Kind,
    Plan,
    Shape,
    Standing,
    State,
    Transition,
    after,
)

Table = tuple[Transition, ...]

NONE, DONE, UNDONE = range(3)
MOST = 3
"""As far as tries are counted while it goes forward."""


class Broken(Exception):
    """A promise is."""


class World(NamedTuple):
    """A saga, and what is true of its steps."""

    standing: Standing
    effects: tuple[int, ...]
    flying: tuple[bool, ...]
    """A try is on its way, and may be done at any time, unless the step has been undone."""
    asked: tuple[bool, ...]
    """A try went out, and nobody knows that nothing came of it."""
    busy: bool = False
    """Somebody is at it, and has written that it tries."""


class Model:
    """One declaration, one table."""

    def __init__(self, plan: Plan, table: Table = TRANSITIONS) -> None:
        self.plan = plan
        self.table = table
        self.pivot = [step.kind for step in plan.steps].index(Kind.PIVOT)
        self.said: set[tuple[Standing, Event, Standing]] = set()

    def explore(self) -> set[World]:
        """All that can be reached.

        Raises:
            Broken: by a way that was found.
        """
        count = len(self.plan.steps)
        no = (False,) * count
        first = World(Standing(), (NONE,) * count, no, no)
        seen = {first}
        queue = deque([first])
        while queue:
            world = queue.popleft()
            self.keeps(world)
            for other in self.moves(world):
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
        return seen

    def moves(self, world: World) -> Iterator[World]:
        yield from self.lands(world)
        standing = world.standing
        if standing.state.ended:
            return
        if world.busy:
            yield from self.undoes(world) if standing.back else self.does(world)
            return
        yield self.told(world, Event.ABANDON)
        if standing.state is State.STUCK:
            yield self.told(world, Event.RETRY)
            return
        yield self.told(world, Event.UNFIT)
        if standing.state is State.RUNNING:
            yield self.passes(world)
        yield self.tries(world)

    def lands(self, world: World) -> Iterator[World]:
        for step, flying in enumerate(world.flying):
            if flying:
                landed = put(world, "flying", step, value=False)
                yield landed if world.effects[step] == UNDONE else done(landed, step)

    def tries(self, world: World) -> World:
        at, standing = world.standing.at, world.standing
        step = self.plan.steps[at]
        if standing.back and not (world.effects[at] == DONE if step.local else world.asked[at]):
            # A compensation that was tried before may have had its effect already.
            if not standing.attempts:
                raise Broken("what was surely not done is undone")
        elif not standing.back and not step.local:
            world = put(world, "asked", at, value=True)
        return self.told(world, Event.TRY)._replace(busy=True)

    def does(self, world: World) -> Iterator[World]:
        at = world.standing.at
        step = self.plan.steps[at]
        yield self.told(done(world, at), Event.DONE)
        if step.local:
            yield world._replace(busy=False)
            yield self.told(world, Event.FAILED)
            if world.effects[at] == NONE:
                yield self.told(world, Event.REFUSED)
            return
        unsure = self.unsure(world, at)
        yield from (one._replace(busy=False) for one in unsure)
        yield from (self.told(one, Event.UNKNOWN) for one in unsure)
        if world.standing.doubted:
            yield self.told(world, Event.FAILED)
        else:
            yield self.told(put(world, "asked", at, value=False), Event.FAILED)
        if world.effects[at] == NONE:
            # A refusal that can't be made sure of by undoing has to mean what it says.
            sure = put(world, "flying", at, value=False)
            yield self.told(sure, Event.REFUSED)
            if step.undoable and step.kind is not Kind.RETRIABLE:
                yield self.told(put(world, "flying", at, value=True), Event.REFUSED)

    def undoes(self, world: World) -> Iterator[World]:
        at = world.standing.at
        undone = put(world, "effects", at, value=UNDONE)
        if self.plan.steps[at].local:
            yield world._replace(busy=False)
            yield self.told(world, Event.NOT_UNDONE)
        else:
            for one in (world, undone):
                yield one._replace(busy=False)
                yield self.told(one, Event.NOT_UNDONE)
        for later in range(at + 1, len(world.effects)):
            if remains(world, later):
                raise Broken("it is not undone in reverse order")
        yield self.told(undone, Event.UNDONE)

    def unsure(self, world: World, at: int) -> list[World]:
        """What a try of which nobody hears may have come to."""
        return [world, done(world, at), put(world, "flying", at, value=True)]

    def passes(self, world: World) -> World:
        step = self.plan.steps[world.standing.at]
        lost = world.standing.maybe and not step.undoable
        passed = self.told(world, Event.DEADLINE)
        turned = passed.standing.back or passed.standing.state is State.COMPENSATED
        if turned is (lost or step.kind is Kind.RETRIABLE):
            raise Broken("it turns at its deadline, as long as it can, and only then")
        if not turned and passed.standing != world.standing:
            raise Broken("a deadline that it can't turn for changes nothing")
        return passed

    def told(self, world: World, event: Event) -> World:
        before = world.standing
        try:
            standing = after(before, event, self.plan, self.table)
        except IllegalEvent as illegal:
            raise Broken(str(illegal)) from illegal
        self.said.add((before, event, standing))
        self.stands(before, event, standing)
        if standing.state is State.RUNNING and standing.attempts > MOST:
            standing = replace(standing, attempts=MOST)
        if standing.state is State.COMPENSATING and standing.attempts > self.plan.attempts:
            standing = replace(standing, attempts=self.plan.attempts)
        return world._replace(standing=standing, busy=False)

    def stands(self, before: Standing, event: Event, standing: Standing) -> None:
        spent = before.attempts >= self.plan.attempts
        retriable = self.plan.steps[before.at].kind is Kind.RETRIABLE
        stuck = {
            Event.UNFIT: True,
            Event.NOT_UNDONE: spent,
            Event.REFUSED: retriable,
        }.get(event, False)
        if (standing.state is State.STUCK) is not stuck:
            raise Broken("an operator looks when it can't go on by itself, and only then")
        if (standing.state is State.ABANDONED) is not (event is Event.ABANDON):
            raise Broken("it is abandoned when an operator says so, and only then")
        if standing.state.ended and standing != Standing(
            standing.state, before.at, back=before.back
        ):
            raise Broken("an end is where it was")
        if standing.state is State.STUCK and standing != replace(before, state=State.STUCK):
            raise Broken("an operator finds what there was")
        self.counts(before, event, standing)
        if event is Event.REFUSED and standing.state is State.RUNNING:
            raise Broken("a refusal is final")
        if standing.back and standing.maybe:
            raise Broken("what is being undone is not in doubt any more")
        if standing.trying and event in {Event.FAILED, Event.UNKNOWN}:
            raise Broken("a try that was told of is out no more")

    def counts(self, before: Standing, event: Event, standing: Standing) -> None:
        if event is Event.TRY and standing.attempts != before.attempts + 1:
            raise Broken("tries are counted")
        moved = (standing.at, standing.back) != (before.at, before.back)
        if standing.attempts and (moved or event is Event.RETRY):
            raise Broken("what is begun has all its tries before it")
        if event in {Event.FAILED, Event.UNKNOWN, Event.NOT_UNDONE} and (
            moved or standing.attempts != before.attempts
        ):
            raise Broken("what came to nothing is tried again, and was a try")

    def keeps(self, world: World) -> None:
        standing = world.standing
        if standing.state is State.COMPLETED and set(world.effects) != {DONE}:
            raise Broken("completed, and not all is done")
        if standing.state is State.COMPENSATED and any(
            remains(world, step) for step in range(len(world.effects))
        ):
            raise Broken("compensated, and something remains")
        if standing.back and standing.at > self.pivot:
            raise Broken("it has turned behind the pivot")
        if standing.state.moving and not world.busy:
            self.ends(world)

    def ends(self, world: World) -> None:
        """Where nothing goes wrong any more it ends by itself."""
        for _ in range(2 * len(self.plan.steps) + 1):
            if world.standing.state.ended:
                return
            world = self.tries(world)
            event = Event.UNDONE if world.standing.back else Event.DONE
            world = self.told(done(world, world.standing.at), event)
        raise Broken("it never ends")


def put(world: World, name: str, step: int, *, value: int | bool) -> World:
    row = list(getattr(world, name))
    row[step] = value
    return world._replace(**{name: tuple(row)})


def done(world: World, step: int) -> World:
    """The step is done now."""
    return put(world, "effects", step, value=DONE)


def remains(world: World, step: int) -> bool:
    """Is there something of it, or will there be?"""
    return world.effects[step] == DONE or (world.effects[step] == NONE and world.flying[step])


def plan(letters: str, *, attempts: int = 2) -> Plan:
    """``c p r`` remote, in capitals local; ``u`` a pivot that can be undone."""
    kinds = {"c": Kind.COMPENSABLE, "p": Kind.PIVOT, "u": Kind.PIVOT, "r": Kind.RETRIABLE}
    return Plan(
        tuple(
            Shape(kinds[one.lower()], local=one.isupper(), undoable=one.lower() in "cu")
            for one in letters
        ),
        attempts,
    )
