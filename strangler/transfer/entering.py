"""A door as ports pass it: what does not let a command in says that nothing was executed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from strangler.ladder import Arm
from strangler.ports.errors import DoorShut, NotOwner
from strangler.transfer.door import Door, DoorClosed
from strangler.transfer.errors import TransferError


@contextmanager
def entering(door: Door, capability: str, arm: Arm, deadline: float) -> Iterator[int | None]:
    """Hold the door for the block; gives the epoch since which this side owns the rows.

    None where nothing is installed, and so nothing held.

    Raises:
        NotOwner: the other side owns them.
        DoorShut: the door has not opened in time, or nobody can say who owns.
    """
    with ExitStack() as stack:
        try:
            owner = stack.enter_context(door.entered(deadline=deadline))
        except (DoorClosed, TransferError) as error:
            raise DoorShut(str(error)) from error
        if owner is not None and owner.owner is not arm:
            raise NotOwner(
                f"the {owner.owner} owns {capability} since epoch {owner.epoch}",
                owner=owner.owner,
                epoch=owner.epoch,
            )
        yield None if owner is None else owner.epoch
