"""The scenes: up the ladder, a mistake that is found, a service that dies, and the way back."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from demo import interruptions
from demo.ledger import Ledger, reckon
from demo.operator import INCONCLUSIVE, Operator, Said
from demo.processes import Cast
from demo.report import Report, conclude
from demo.settings import THRESHOLDS, Settings
from demo.shop import Shop
from demo.traffic import Traffic, World
from demo.view import Picture, photograph
from strangler.ladder import Stage

FRAMES = 4
"""How often a second the live view is drawn."""


STAYING = 20.0
"""Requests per second of the visitors who stay."""


class Spoiled(RuntimeError):
    """The film did not go as it is written; the message says at which command."""


class Director:
    """Moves the capability, and tells the audience what is happening and why."""

    def __init__(self, settings: Settings, shop: Shop, picture: Picture, console: Console) -> None:
        self._shop = shop
        self._picture = picture
        self._console = console
        self._capability = settings.capability
        self._photo = settings.folder / "view.svg"
        self._operator = Operator(self.say)
        self._since = time.monotonic()
        self.stages: list[str] = [str(Stage.MONOLITH)]
        self.rungs: list[tuple[str, float]] = []

    def say(self, line: str) -> None:
        """One more line of the story."""
        stamp = f"{time.monotonic() - self._picture.began:5.1f}  "
        text = Text.assemble((stamp, "dim"), Text.from_markup(line))
        self._picture.story.append(text)
        if not self._console.is_terminal:
            self._console.print(text)

    def find_the_mistake(self) -> None:
        """Scene 1: in the shadow, a wrong tax is found; the gate refuses, and says where."""
        self.say("[cyan]Scene 1[/]  The service taxes German baskets wrongly. Who notices?")
        self.climb(Stage.SHADOW)
        refused = self._operator.insist("advance", self._capability)
        if refused.code != 1:
            raise Spoiled(f"the wrong tax was not found: {refused}")
        for verdict in refused.answer["verdicts"]:
            if verdict["outcome"] == "failed":
                self.say(f"[red]refused[/]  {verdict['message']}")
        self.say("The service is restarted with the right rule.")
        self._shop.service.stop()
        self._shop.service.start(**self._shop.right_rules())
        self.command("renew", "--reason", "the right tax rule is deployed")

    def climb_with_a_crash(self) -> None:
        """Scene 2: up to live; at 25 % the service is killed."""
        self.say("[cyan]Scene 2[/]  Up the ladder, with a power cut on the way.")
        self.climb(Stage.CANARY, 5)
        self.climb(Stage.CANARY, 25)
        time.sleep(0.5)
        self.say("[yellow]SIGKILL[/]  The service is gone, in the midst of its answers.")
        self._shop.service.kill()
        time.sleep(1.5)
        self._shop.service.start(**self._shop.right_rules())
        seen = self._picture.ledger
        self.say(
            f"It is back. The monolith answered {seen.rescued} requests in its place; "
            f"failed so far: {len(seen.failures)}"
        )
        self.command("renew", "--reason", "the service is back after a power cut")
        photograph(self._picture, self._photo)
        self.climb(Stage.CANARY, 50)
        self.climb(Stage.LIVE)
        time.sleep(3)

    def come_back(self, *, retire: bool) -> None:
        """Scene 3: one command down, up once more, and the end of the ladder."""
        self.say("[cyan]Scene 3[/]  The way back is one command. Then up again.")
        self.move("rollback", "--to", str(Stage.MONOLITH))
        time.sleep(0.5)
        self.climb(Stage.SHADOW)
        self.climb(Stage.CANARY, 50)
        self.climb(Stage.LIVE)
        if retire:
            self.climb(Stage.RETIRED)

    def climb(self, stage: Stage, percent: int | None = None) -> None:
        """Advance to this rung, waiting until its gate has seen enough."""
        share = ("--percent", str(percent)) if percent else ()
        self.move("advance", "--to", str(stage), *share)

    def command(self, verb: str, *arguments: str) -> Said:
        """One command about the capability, which must succeed."""
        said = self._operator.insist(verb, self._capability, *arguments)
        if said.code:
            raise Spoiled(_complaint(said))
        return said

    def move(self, verb: str, *arguments: str) -> None:
        """One move, which must succeed."""
        said = self.command(verb, *arguments)
        now = time.monotonic()
        self.rungs.append((self.stages[-1], now - self._since))
        self._since = now
        after = said.answer["after"]
        self._picture.stage = Stage(after["stage"])
        self._picture.percent = after["percent"]
        stage = str(self._picture.stage)
        self.stages.append(f"{stage} {after['percent']}" if after["percent"] else stage)
        self.say(f"[green]done[/]  {self._capability} stands on {self.stages[-1]}")


def _complaint(said: Said) -> str:
    verdicts = (said.answer or {}).get("verdicts", ())
    missing = "".join(f"\n  {verdict['outcome']}: {verdict['message']}" for verdict in verdicts)
    why = "there was never enough evidence" if said.code == INCONCLUSIVE else "it was refused"
    return f"{said.command}: {why}{missing}\n{said.error}".rstrip()


def film(settings: Settings) -> int:
    """Play it; the exit code: 0 only if nothing failed, was wrong, lost or done twice.

    Raises:
        NotReady: a part of the shop did not start.
    """
    console = Console(file=sys.stdout)  # the operator borrows the standard output
    shutil.rmtree(settings.folder, ignore_errors=True)
    settings.folder.joinpath("log").mkdir(parents=True)
    shop = Shop(settings)
    os.environ.update(shop.env)
    console.print(f"Setting up the shop in [bold]{_shown(settings)}[/], with gates for one minute:")
    for section, values in THRESHOLDS.items():
        console.print(f"  {section}: " + ", ".join(f"{k} = {v}" for k, v in values.items()))
    ledger = Ledger()
    with Cast(shop.monolith, shop.service):
        shop.prepare()
        shop.monolith.start()
        shop.service.start(**shop.wrong_rules())
        world = shop.world()
        traffic = Traffic(shop.url, world, ledger, rate=settings.rate, visitors=settings.visitors)
        picture = Picture(capability=settings.capability, ledger=ledger)
        director = Director(settings, shop, picture, console)
        spoiled = _play(director, traffic, picture, console, retire=not settings.stay)
        report = Report.of(
            ledger,
            reckon(ledger, shop.orders()),
            capability=settings.capability,
            stages=director.stages,
            rungs=director.rungs,
            seconds=time.monotonic() - picture.began,
            spoiled=spoiled,
        )
        conclude(report, console, folder=settings.folder)
        if settings.stay:
            _stay(shop, world, console)
    return 0 if report.clean else 1


def _play(
    director: Director, traffic: Traffic, picture: Picture, console: Console, *, retire: bool
) -> str | None:
    """All scenes under traffic; how the film was spoiled, if it was."""
    traffic.start()
    try:
        with _projected(picture, console):
            director.find_the_mistake()
            director.climb_with_a_crash()
            director.come_back(retire=retire)
            time.sleep(1.0)
    except Spoiled as error:
        return str(error)
    finally:
        traffic.stop()
    return None


@contextmanager
def _projected(picture: Picture, console: Console) -> Iterator[None]:
    if not console.is_terminal:
        yield
        return
    live = Live(
        picture,
        console=console,
        refresh_per_second=FRAMES,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with live:
        yield


def _stay(shop: Shop, world: World, console: Console) -> None:
    """Keep everything running, with a few visitors, until somebody has played enough."""
    console.print(f"\nThe shop stays open at [bold]{shop.url}/[/] until Ctrl-C, with visitors.")
    console.print("pricing stands on live, where the way back is still open. In another terminal:")
    for name in ("DATABASE_URL", "STRANGLER_MANIFEST", "STRANGLER_TABLE", "STRANGLER_KEYS"):
        console.print(f"  export {name}={shop.env[name]}", soft_wrap=True)
    strangler = Path(sys.executable).with_name("strangler")
    for command in ("status --watch", "rollback pricing", "advance pricing", "history pricing"):
        console.print(f"  {strangler} {command}", soft_wrap=True)
    visitors = Traffic(shop.url, world, Ledger(), rate=STAYING, visitors=60)
    visitors.start()
    try:
        interruptions.wait()
    finally:
        visitors.stop()


def _shown(settings: Settings) -> str:
    return os.path.relpath(settings.folder)
