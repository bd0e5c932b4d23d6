"""One capability on its way: the commands about it, and the rungs that it stood on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from demo.operator import INCONCLUSIVE, Operator, Said
from demo.view import Picture
from strangler.ladder import Stage

Say = Callable[[str], None]
RENEWALS = 5
"""How often evidence is begun anew on a machine that is too busy for its own services."""
TOO_LATE = "status 200 and 504"


class Spoiled(RuntimeError):
    """The film did not go as it is written; the message says at which command."""


class Climber:
    """Moves one capability, and tells the audience."""

    def __init__(self, name: str, *, operator: Operator, picture: Picture, say: Say) -> None:
        self.name = name
        self._picture = picture
        self._say = say
        self._operator = operator
        self._since = time.monotonic()
        self.stages: list[str] = [str(Stage.MONOLITH)]
        self.rungs: list[tuple[str, float]] = []

    @property
    def owner(self) -> str:
        """Whose database is the system of record."""
        return "service" if self.stages[-1] in {"live", "retired"} else "monolith"

    def climb(self, stage: Stage, percent: int | None = None) -> Said:
        """Advance to this rung, waiting until its gate has seen enough."""
        share = ("--percent", str(percent)) if percent else ()
        return self.move("advance", "--to", str(stage), *share)

    def try_to(self, verb: str, *arguments: str) -> Said:
        """One command about the capability, however it ends."""
        return self._operator.insist(verb, self.name, *arguments)

    def command(self, verb: str, *arguments: str) -> Said:
        """One command about the capability, which must succeed."""
        said = self.try_to(verb, *arguments)
        for _ in range(RENEWALS):
            if not _busy(said):
                break
            self._say(f"[yellow]busy[/]  {self.name} did not answer in time, here and now.")
            self.try_to("renew", "--reason", "the machine had too much else to do")
            said = self.try_to(verb, *arguments)
        if said.code:
            raise Spoiled(_complaint(said))
        return said

    def rows(self) -> dict[str, Any]:
        """How its rows flow, as ``strangler transfer status`` has it."""
        said = self._operator.run("transfer", "status", self.name)
        if said.answer is None:
            raise Spoiled(_complaint(said))
        seen: dict[str, Any] = said.answer["capabilities"][0]
        return seen

    def verify(self) -> tuple[int, list[dict[str, Any]]]:
        """Compare every row on both sides: how many there are, and those that differ."""
        said = self._operator.run("transfer", "verify", self.name)
        if said.answer is None or "findings" not in said.answer:
            raise Spoiled(_complaint(said))
        return int(said.answer["rows"]), list(said.answer["findings"])

    def move(self, verb: str, *arguments: str) -> Said:
        """One move, which must succeed."""
        said = self.command(verb, *arguments)
        now = time.monotonic()
        self.rungs.append((self.stages[-1], now - self._since))
        self._since = now
        after = said.answer["after"]
        stage = str(after["stage"])
        self.stages.append(f"{stage} {after['percent']}" if after["percent"] else stage)
        self._picture.stand(self.name, Stage(stage), after["percent"])
        self._say(f"[green]done[/]  {self.name} stands on {self.stages[-1]}")
        return said


def _busy(said: Said) -> bool:
    """Nothing is against it but that some answers came too late."""
    verdicts = (said.answer or {}).get("verdicts", ())
    failed = [one for one in verdicts if one["outcome"] == "failed"]
    return bool(failed) and all(TOO_LATE in one["message"] for one in failed)


def _complaint(said: Said) -> str:
    verdicts = (said.answer or {}).get("verdicts", ())
    missing = "".join(f"\n  {verdict['outcome']}: {verdict['message']}" for verdict in verdicts)
    why = "there was never enough evidence" if said.code == INCONCLUSIVE else "it was refused"
    return f"{said.command}: {why}{missing}\n{said.answer}\n{said.error}".rstrip()
