"""What the mover delivers of commands that are rehearsed: noted for whoever compares.

Before a batch is applied the target's rows are read, and after it again. What the batch says of a
command is written down where its keys are forgotten, in one transaction: so whoever finds a command
applied finds all that was delivered of it. A batch without such commands costs a look at its
writers, and no query.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from strangler.ladder import Arm
from strangler.ports.rehearsal import Written
from strangler.transfer.database import HEARTBEAT, Claim, Delivered
from strangler.transfer.mapping import Key, Row
from strangler.transfer.rehearsed import Delivery, changed, unstamped

if TYPE_CHECKING:
    from strangler.transfer.apply import Flow

MOVER = "mover"
"""Who calls keys dirty without having written their rows."""

ROOM = 10_000
"""Numbers between the monolith's rows and those that a rehearsal makes: once, and never again."""
_LIMITS = {"smallint": 2**15 - 1, "integer": 2**31 - 1}
_RECENT = 200
"""Batches that are remembered."""

_Keys = dict[str, dict[str, list[Key]]]
"""The monolith's dirty keys of each rehearsal, by table."""
_Rows = Mapping[str, Mapping[Key, Row]]
"""The service's rows, by table."""


class Deliveries:
    """Of one flow: who has written what it delivers."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._recent: deque[tuple[int, int, set[str]]] = deque(maxlen=_RECENT)

    def before(self, claim: Claim) -> Batch | None:
        """Look at what is about to be applied; None if nobody wants to know."""
        if self._flow.owner is not Arm.MONOLITH:
            return None
        writers = {
            writer for table, writer, _ in claim.census() if table != HEARTBEAT and writer != MOVER
        }
        if not writers:
            return None
        rehearsals = {name for writer in writers if (name := unstamped(writer)[1])}
        keys = self._keys(claim) if rehearsals else {}
        rows = {name: self._rows(keys[name]) for name in keys}
        return Batch(claim, writers, keys, rows, self._flow.target.applied)

    def after(self, batch: Batch | None) -> None:
        """The batch has been applied."""
        if batch is None:
            return
        names = {unstamped(writer)[1] for writer in batch.writers}
        self._recent.append((self._flow.target.applied, batch.claim.highest(), names))
        if not batch.keys:
            return
        # Rows are read after they are claimed: what has been written by then may be in them.
        later = self._flow.source.pending() > len(batch.claim.entries)
        for name, keys in batch.keys.items():
            others, highest = self._but(name)
            if later:
                others = self._flow.target.applied
            there, now = batch.rows[name], self._rows(keys)
            written: list[Written] = []
            for table in now:
                written += changed(table, there[table], now[table])
            said = Delivery(written, batch.number, others, highest)
            batch.claim.delivered.append(Delivered(name, msgspec.json.encode(said).decode()))

    def _but(self, rehearsal: str) -> tuple[int, int]:
        """The last batch in which anybody else had written, and up to which number."""
        others = [one for one in self._recent if one[2] != {rehearsal}]
        return max((one[0] for one in others), default=0), max(
            (one[1] for one in others), default=0
        )

    def _keys(self, claim: Claim) -> _Keys:
        found: _Keys = defaultdict(lambda: defaultdict(list))
        for entry in claim.entries:
            name = unstamped(entry.writer)[1]
            if name and entry.key not in found[name][entry.table]:
                found[name][entry.table].append(entry.key)
        return found

    def _rows(self, keys: Mapping[str, list[Key]]) -> _Rows:
        """What the target has of them now."""
        rows: dict[str, dict[Key, Row]] = {}
        for pair in self._flow.pairing.pairs:
            if wanted := keys.get(pair.map.source):
                there = self._flow.there(pair, wanted)
                for target in pair.map.targets:
                    up = pair.keys[target.table].up
                    rows[target.table] = {
                        up(key): found[target.table]
                        for key, found in there.items()
                        if target.table in found
                    }
        return rows


def make_room(flow: Flow) -> None:
    """Let the service's database number rows far from those that are delivered to it.

    A rehearsal's new rows get numbers there that no row has, nor will have before it is undone.

    Raises:
        Superseded: another mover has taken over.
    """
    source, target = flow.source, flow.target
    if flow.owner is not Arm.MONOLITH or target.numbers_past_rows:
        return
    short: dict[tuple[str, str], int] = {}
    for pair in flow.pairing.carried():
        for table, column, other, theirs in pair.numbered(flow.other):
            last = source.last_number(other, theirs)
            narrow = last + ROOM > _LIMITS.get(
                pair.targets[table].columns[column].type, last + ROOM
            )
            if not narrow and target.last_number(table, column) < last + ROOM // 2:
                short[table, column] = last + ROOM
    if short:
        with target.step(token=flow.token, epoch=flow.epoch) as step:
            for (table, column), last in short.items():
                step.number_from(table, column, last)


class Batch:
    """One claim on its way."""

    def __init__(
        self, claim: Claim, writers: set[str], keys: _Keys, rows: Mapping[str, _Rows], number: int
    ) -> None:
        self.claim = claim
        self.writers = writers
        self.keys = keys
        self.rows = rows
        self.number = number
