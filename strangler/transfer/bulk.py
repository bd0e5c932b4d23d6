"""Large batches: where most rows are only copied, they are poured, without a look at each.

The order is the same as for all others (see ``apply``); what can't be poured is carried row by row.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice

from strangler.ladder import Arm
from strangler.transfer.apply import BATCH, Applied, Carried, Flow
from strangler.transfer.database import Claim, Pourer
from strangler.transfer.errors import Unwritable
from strangler.transfer.mapping import Unmappable

BULK = 20_000
"""Dirty keys that are claimed at once, where they can be poured."""
MANY = 1000
"""Dirty keys of one table that are worth it."""


class Bulk:
    """Carries a flow's rows, in whatever way is faster."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._pourers: dict[str, Pourer] = {}
        if flow.owner is Arm.MONOLITH:
            for pair in flow.pairing.pairs:
                to = [(target, pair.targets[target.table]) for target in pair.map.targets]
                if (pourer := flow.source.pourer(flow.target, pair.source, to)) is not None:
                    self._pourers[pair.map.source] = pourer

    @property
    def pours(self) -> bool:
        """Is there anything that can be poured?"""
        return bool(self._pourers)

    @property
    def limit(self) -> int:
        """Dirty keys that are carried at once."""
        return BULK if self.pours else BATCH

    def batch(self) -> Applied:
        """Carry some dirty keys; those that can't be carried are parked.

        Raises:
            Superseded: another mover has taken over, or the owner is another by now.
            DatabaseAway: one of the databases has gone.
        """
        if not self.pours:
            return self._flow.batch()
        return self._flow.claimed(self.limit, self._carry)

    def _carry(self, claim: Claim) -> Carried:
        sizes = claim.sizes()
        large = [name for name in self._pourers if sizes.get(name, 0) >= MANY]
        carried = Carried()
        self._by_row(claim, large, carried)
        for name in large:
            try:
                self._pourers[name].pour(claim, token=self._flow.token, epoch=self._flow.epoch)
            except (Unwritable, Unmappable):
                self._by_row(claim, sizes.keys() - {name}, carried)
        return carried

    def _by_row(self, claim: Claim, without: Collection[str], carried: Carried) -> None:
        entries = iter(claim.besides(without))
        while some := list(islice(entries, BATCH)):
            part = self._flow.carry(some)
            carried.entities |= part.entities
            carried.failed |= part.failed
