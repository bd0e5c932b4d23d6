"""What a mover wants of the control plane: who owns, and who may move."""

from __future__ import annotations

from abc import ABC, abstractmethod

from strangler.transfer.protocol import Decision


class NotOurs(Exception):
    """The lease is another mover's by now, or the control database says otherwise."""


class Control(ABC):
    """The control database, as far as one capability's transfer goes, for the holder of its lease.

    The token is the lease's: it grows with every holder, and the databases take nothing from
    whoever comes with an older one.
    """

    @abstractmethod
    def decision(self) -> Decision:
        """Who owns the rows, and since which epoch.

        Raises:
            ControlAway: the database can't be asked.
        """

    @abstractmethod
    def decide(self, decision: Decision) -> None:
        """Record it: the commit point of a switch.

        Raises:
            NotOurs: the lease is lost, or somebody else has moved the capability; nothing is done.
            ControlAway: nobody knows whether it was recorded; ``decision`` says.
        """

    @abstractmethod
    def publish(self) -> None:
        """Point the routing table at what was decided."""

    @abstractmethod
    def renew(self) -> None:
        """Keep the lease.

        Raises:
            NotOurs: it is lost.
            ControlAway: the database can't be asked.
        """


class ControlAway(Exception):
    """The control database can't be used."""
