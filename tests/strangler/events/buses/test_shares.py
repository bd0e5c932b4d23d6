"""Fair parts of a consumer's partitions, whoever comes and goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from strangler.events.buses.shares import LOOK, TTL, Leases, Share, Standing, wanted

NAMES = [str(number) for number in range(16)]


class Table:
    """Leases in memory, with a clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.until: dict[str, float] = {}
        self.holders: dict[str, str] = {}

    def there(self) -> set[str]:
        return {who for who, until in self.until.items() if until > self.now}


class Ours(Leases):
    def __init__(self, table: Table, me: str) -> None:
        self.table = table
        self.me = me

    def look(self) -> Standing:
        self.table.until[self.me] = self.table.now + TTL
        return Standing(self.table.there(), dict(self.table.holders))

    def take(self, names: Sequence[str]) -> Collection[str]:
        there = self.table.there()
        taken = [name for name in names if self.table.holders.get(name) not in there]
        self.table.holders.update(dict.fromkeys(taken, self.me))
        return taken

    def leave(self, names: Sequence[str]) -> None:
        for name in names:
            del self.table.holders[name]

    def quit(self) -> None:
        held = [name for name, holder in self.table.holders.items() if holder == self.me]
        self.leave(held)
        del self.table.until[self.me]


def process(table: Table, me: str) -> Share:
    return Share(Ours(table, me), NAMES, clock=lambda: table.now)


COMINGS = st.lists(st.sampled_from(["come", "look", "quit", "die"]), max_size=40)


@given(COMINGS, st.randoms())
def test_nothing_is_held_twice_and_all_is_shared_out_at_last(what: list[str], random: Random):
    table = Table()
    living: list[Share] = []
    for number, step in enumerate(what):
        table.now += LOOK / 3
        if step == "come" and len(living) < 20:
            living.append(process(table, f"{random.random()}-{number}"))
            living[-1].look()
        elif living:
            one = random.choice(living)
            if step == "look":
                one.look()
            else:
                living.remove(one)
                if step == "quit":
                    one.quit()
        held = Counter(name for one in living for name in one.held if holds(table, one, name))
        assert not held or max(held.values()) == 1
    if not living:
        return
    table.now += TTL
    for _ in range(3):
        for one in living:
            one.look()
    parts = sorted(len(one.held) for one in living)
    assert sum(parts) == len(NAMES)
    assert parts[-1] - parts[0] <= 1


def holds(table: Table, one: Share, name: str) -> bool:
    """As a bus sees it that is asked to read."""
    return table.holders.get(name) == one._leases.me


def test_what_is_taken_back_is_told_of_as_new():
    table = Table()
    one = process(table, "one")
    assert set(one.look()) == set(NAMES)
    assert not one.look()
    table.now += TTL + 1
    other = process(table, "other")
    other.look()
    other.quit()
    assert set(one.look()) == set(NAMES)


def test_a_fair_part_is_neither_taken_nor_left():
    standing = Standing({"a", "b"}, {name: "ab"[int(name) % 2] for name in NAMES})
    assert wanted(NAMES, standing, "a") == ([], [])
