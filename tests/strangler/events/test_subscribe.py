"""Functions become handlers of the event that they are annotated with, or say why they can't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from strangler.events.subscribe import BadHandler, Handlers
from tests.strangler.events.sample import CometGone, FishCaught, StarSeen


def test_they_are_called_by_type_and_in_the_order_in_which_they_are_written() -> None:
    handlers = Handlers("notes")
    called = []

    @handlers.on
    def first(event: StarSeen) -> None:
        called.append(("first", event.name))

    @handlers.on
    def second(event: StarSeen) -> None:
        called.append(("second", event.name))

    @handlers.on
    def other(event: FishCaught) -> None:
        raise AssertionError(event)

    for handler in handlers.of("sky.star.seen"):
        handler(StarSeen("Vega", 1))
    assert called == [("first", "Vega"), ("second", "Vega")]
    assert handlers.types == ("sea.fish.caught", "sky.star.seen")
    assert handlers.topics == ("sea", "sky")
    assert "sky.star.seen" in handlers
    assert "sky.comet.gone" not in handlers
    assert handlers.of("sky.comet.gone") == ()
    assert first(StarSeen("Vega", 1)) is None  # it stays a function


def nothing() -> None: ...
def two(event: StarSeen, other: int) -> None: ...
def bare(event) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001 - that's the point
def named(*, event: StarSeen) -> None: ...
def no_event(event: int) -> None: ...
def union(event: StarSeen | CometGone) -> None: ...
def absent(event: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821 - that's the point
def answers(event: StarSeen) -> int: ...
async def later(event: StarSeen) -> None: ...


@pytest.mark.parametrize(
    ("function", "remedy"),
    [
        (nothing, "write def handle(event: Event)"),
        (two, "write def handle(event: Event)"),
        (named, "write def handle(event: Event)"),
        (bare, "annotate its argument"),
        (union, "annotate its argument"),
        (no_event, "decorate it with @event"),
        (absent, "import the event outside of TYPE_CHECKING"),
        (answers, "return None"),
        (later, "write def"),
    ],
)
def test_what_can_not_be_one_says_what_to_write(
    function: Callable[[Any], Any], remedy: str
) -> None:
    handlers = Handlers("notes")
    with pytest.raises(BadHandler) as refused:
        handlers.on(function)
    assert remedy in str(refused.value)
    assert function.__name__ in str(refused.value)
    assert handlers.types == ()
