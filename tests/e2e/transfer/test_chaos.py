"""Inventory goes, comes back, and goes again, while clients write; and processes are killed.

``make test`` plays a bounded form of it, ``STRANGLER_CHAOS=1`` a long one: there, every process
that takes part is killed, and PostgreSQL too, again and again, by ``STRANGLER_SEED``.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from strangler.ladder import Stage
from tests.chaos.servers import Durable
from tests.e2e.transfer.crowd import Crowd, Ended, Notes, check
from tests.e2e.transfer.street import BECAUSE, Street

LONG = bool(os.environ.get("STRANGLER_CHAOS"))
SEED = int(os.environ.get("STRANGLER_SEED", "1"))
ROUNDS = int(os.environ.get("STRANGLER_ROUNDS", "8"))
"""Rounds of the long form: one there and back in each."""
PATIENCE = 60.0
LIVE = ("advance", "inventory", "--to", "live", *BECAUSE)
BACK = ("rollback", "inventory", "--to", "canary", "--percent", "50")


class Trouble:
    """Whatever goes wrong, at random moments, while inventory is moved."""

    def __init__(self, street: Street, dice: random.Random, server: Durable | None = None) -> None:
        self.street = street
        self._dice = dice
        self.server = server

    def move(self, *arguments: str) -> None:
        """One move, whose process is killed while it is under way, until it has been made."""
        wanted = Stage.LIVE if arguments[0] == "advance" else Stage.CANARY
        street = self.street
        street.in_step()  # nobody waits for Django any more, either
        street.hand.begin(*arguments)
        # A mover looks every second whether somebody wants its lease; the freeze itself is short.
        time.sleep(self._dice.uniform(0.05, 1.5))
        street.hand.kill()
        # Whatever it has left half done, the mover sees to it; or the next who moves.
        until, said = time.monotonic() + PATIENCE, None
        while street.stage() is not wanted:
            assert time.monotonic() < until, said
            said = street.hand.strangler(*arguments)

    def mover_dies(self) -> None:
        self.street.mover.kill()
        time.sleep(self._dice.uniform(0.0, 0.5))
        self.street.mover.start()

    def service_dies(self) -> None:
        self.street.service.kill()
        time.sleep(self._dice.uniform(0.0, 0.5))
        self.street.service.start()

    def worker_dies(self) -> None:
        """One of gunicorn's, in the midst of what it answers."""
        master = self.street.shop.monolith._process
        assert master is not None
        children = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
        with suppress(ProcessLookupError):  # it may have just ended by itself
            os.kill(int(self._dice.choice(children)), signal.SIGKILL)

    def postgres_dies(self) -> None:
        if self.server is not None:
            self.server.kill()

    def anything(self) -> None:
        """One of them."""
        self._dice.choice(
            [self.mover_dies, self.service_dies, self.worker_dies, self.postgres_dies]
        )()


KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture
def trouble(request: pytest.FixtureRequest) -> Trouble:
    if request.param == "sqlite":
        return Trouble(request.getfixturevalue("sqlite"), random.Random(SEED))
    street = request.getfixturevalue("postgres_street")
    return Trouble(street, random.Random(SEED), request.getfixturevalue("server"))


@pytest.mark.parametrize("trouble", KINDS, indirect=True)
def test_there_and_back_and_there_again(trouble: Trouble) -> None:
    street = trouble.street
    street.stand(Stage.CANARY)
    crowd = Crowd(street)
    with crowd.out() as notes:
        street.hand.insist(*LIVE)
        trouble.mover_dies()
        street.hand.insist(*BACK)
        time.sleep(0.3)
        smooth = len(notes.endings[Ended.AGAIN]), len(notes.endings[Ended.UNKNOWN])
        trouble.move(*LIVE)
        time.sleep(0.5)
    # Nobody noticed anything as long as only the mover died, and the rest but the time it took.
    assert smooth == (0, 0), _shown(notes)
    assert notes.count(Ended.UNKNOWN) == 0, _shown(notes)
    _settle(street, notes)
    assert notes.slowest[0] < 15, _shown(notes)


if LONG:

    @pytest.mark.parametrize("trouble", KINDS, indirect=True)
    def test_everything_dies(trouble: Trouble) -> None:
        street = trouble.street
        street.stand(Stage.CANARY)
        crowd = Crowd(street, clerks=4, buyers=3, lookers=2, rough=bool(trouble.server))
        with crowd.out() as notes:
            for _ in range(ROUNDS):
                for arguments in (LIVE, BACK):
                    trouble.anything()
                    trouble.move(*arguments)
            trouble.move(*LIVE)
        _settle(street, notes)


def _settle(street: Street, notes: Notes) -> None:
    street.carried()
    assert notes.count(Ended.DONE) > 100
    check(street, notes, owner="service")
    assert street.differing() == []
    assert street.seen()["wrong"] == []


def _shown(notes: Notes) -> str:
    counts = {str(how): len(what) for how, what in notes.endings.items()}
    unknown = [*notes.endings[Ended.UNKNOWN][:3], *notes.endings[Ended.AGAIN][:3]]
    return f"{counts}, slowest {notes.slowest}: {unknown}"
