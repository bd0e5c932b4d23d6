"""A consumer's copies of what others have, filled anew: emptied, and told everything again."""

from __future__ import annotations

from strangler.events.consumer import Consumer
from strangler.events.failing import Failed
from strangler.ports.context import job

__all__ = ["Incomplete", "NoCopy", "refill"]


class NoCopy(LookupError):
    """This consumer does not say how anything is filled anew."""


class Incomplete(Exception):
    """A copy was emptied, and not all of it is said again."""


def refill(consumer: Consumer) -> int:
    """Empty what a consumer has copied, and have others say it again; says how many copies.

    It is whole once a relay has told what was said. Whoever reads it meanwhile finds little.

    Raises:
        NoCopy: nothing says how.
        NotOwner: the other side owns the rows, and has to do this.
        Later: nothing was done; try again.
        Incomplete: it is emptied, and not told everything, whatever the reason: do it again.
    """
    copies = consumer.handlers.copies
    if not copies:
        raise NoCopy(
            f"{consumer.name} does not say how a copy of its is filled anew: write "
            "handlers.anew(empty=…, ask=…) beside its handlers"
        )
    with job():
        try:
            with consumer.transaction():
                for copy in copies:
                    copy.empty()
        except Failed as failed:
            raise failed.later() from failed
        for copy in copies:
            try:
                copy.ask()
            except Exception as error:
                raise Incomplete(
                    f"{consumer.name} has emptied its copy, and not all of it is said again: do it "
                    f"once more: {type(error).__name__}: {error}"
                ) from error
    return len(copies)
