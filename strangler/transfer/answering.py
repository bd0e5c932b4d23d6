"""Has all come over that the service has? The mover tells whoever asks on the monolith's side.

Whoever has commanded a service that has died since may read on the monolith's side what it has
written, once that has flowed back. Only the mover sees both sides, so it is asked: a question gets
a number there. The mover reads the number, **then** where the owner's journal is, and answers once
nothing up to there is left in the whole of it, whoever has claimed what. What was committed before
the question was asked is there by then.

A key that is parked is in no journal any more: nobody can wait for it.
"""

from __future__ import annotations

from strangler.ladder import Arm
from strangler.transfer.apply import Flow

BUSY = 0.01
"""Seconds between two looks into an empty journal, as long as somebody asks."""
_LATELY = 20
"""Such looks for which that is so after a question."""


class Answering:
    """Answers one question after the other; those that were asked meanwhile are the next."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._done = 0
        self._number: int | None = None
        self._position = 0
        self._looks = 0

    @property
    def busy(self) -> bool:
        """Does somebody ask, or has of late?"""
        return self._looks > 0

    def look(self) -> None:
        """Answer, if it is time to."""
        flow = self._flow
        if flow.owner is Arm.MONOLITH:
            return  # whoever asks there looks into the journal
        self._looks = max(0, self._looks - 1)
        if self._number is None:
            number = flow.target.asked()
            if number <= self._done:
                return
            self._number, self._position = number, flow.source.position()
        self._looks = _LATELY
        if flow.source.carried(self._position):
            flow.target.answer(self._number, token=flow.token, epoch=flow.epoch)
            self._done, self._number = self._number, None
