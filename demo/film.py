"""The film: set everything up, play the scenes under traffic, and reckon."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from demo import interruptions
from demo.books import Owners
from demo.climber import Climber, Spoiled
from demo.databases import SERVICES, opened
from demo.ears import Ears
from demo.ledger import Ledger, reckon
from demo.operator import Operator
from demo.postbox import Postbox
from demo.processes import Cast
from demo.report import Carried, Climb, Report, conclude
from demo.scenes import Scenes
from demo.screens import Screens
from demo.settings import CLIMBERS, THRESHOLDS, Settings
from demo.shop import Shop
from demo.told import hold_against
from demo.traffic import Traffic
from demo.view import Picture
from demo.world import World

FRAMES = 4
"""How often a second the live view is drawn."""
STAYING_ENV = (
    "DATABASE_URL", "STRANGLER_MANIFEST", "STRANGLER_TABLE", "STRANGLER_KEYS",
    "STRANGLER_MOVER_DATABASE", "STRANGLER_CATALOG_DATABASE", "STRANGLER_INVENTORY_DATABASE",
    "STRANGLER_NOTIFICATIONS_DATABASE",
)  # fmt: skip
"""What a command needs to know of the shop that stays."""
STAYING = 20.0
"""Requests per second of the visitors who stay."""


def film(settings: Settings) -> int:
    """Play it; the exit code: 0 only if nothing failed, was wrong, lost or done twice.

    Raises:
        NotReady: a part of the shop did not start.
    """
    console = Console(file=sys.stdout)  # the operator borrows the standard output
    shutil.rmtree(settings.folder, ignore_errors=True)
    settings.folder.joinpath("log").mkdir(parents=True)
    console.print(f"Setting up the shop in [bold]{_shown(settings)}[/], with gates for one minute:")
    for section, values in THRESHOLDS.items():
        console.print(f"  {section}: " + ", ".join(f"{k} = {v}" for k, v in values.items()))
    with (
        settings.folder.joinpath("log", "film.log").open("a") as log,
        opened(settings.database, settings.folder) as databases,
        Postbox() as postbox,
    ):
        shop = Shop(settings, databases, postbox)
        os.environ.update(shop.env)
        with Cast(*shop.parts), Screens(log) as screens:
            return _shot(settings, shop, screens, console)


def _shot(settings: Settings, shop: Shop, screens: Screens, console: Console) -> int:
    shop.prepare()
    shop.start()
    ledger, world = Ledger(), shop.world()
    traffic = Traffic(shop.url, world, ledger, rate=settings.rate, visitors=settings.visitors)
    picture = Picture(capability=CLIMBERS[0], ledger=ledger)

    def say(line: str) -> None:
        stamp = f"{time.monotonic() - picture.began:5.1f}  "
        text = Text.assemble((stamp, "dim"), Text.from_markup(line))
        picture.story.append(text)
        if not console.is_terminal:
            console.print(text)

    operator = Operator(say, screens)
    climbers = {
        name: Climber(name, operator=operator, picture=picture, say=say) for name in CLIMBERS
    }
    scenes = Scenes(shop, traffic, picture, climbers, say)
    spoiled = _play(scenes, traffic, picture, console, retire=not settings.stay)
    owners = Owners(**{name: climbers[name].owner for name in SERVICES})
    told = Ears(shop.databases, shop.backstage, shop.postbox, owners).told()
    orders = shop.books.orders(owners)
    report = Report.of(
        ledger,
        reckon(ledger, orders, shop.books.kept(owners)),
        hold_against(told, orders),
        told=told,
        climbs=[Climb(one.name, one.stages, one.rungs) for one in climbers.values()],
        transfer=_carried(climbers, picture) if spoiled is None else None,
        seconds=time.monotonic() - picture.began,
        spoiled=spoiled,
        database=settings.database,
        edge=settings.edge,
        bus=settings.bus,
    )
    conclude(report, console, folder=settings.folder)
    if settings.stay:
        _stay(shop, world, console)
    return 0 if report.clean else 1


def _play(
    scenes: Scenes, traffic: Traffic, picture: Picture, console: Console, *, retire: bool
) -> str | None:
    """All scenes under traffic; how the film was spoiled, if it was."""
    traffic.start()
    try:
        with _projected(picture, console):
            scenes.let_rows_flow()
            scenes.find_the_mistake()
            scenes.climb_with_a_crash()
            scenes.come_back(retire=retire)
            scenes.hand_the_listening_over()
            scenes.race_for_the_last()
    except Spoiled as error:
        return str(error)
    finally:
        traffic.stop()
    return None


def _carried(climbers: Mapping[str, Climber], picture: Picture) -> Carried:
    """What became of the rows; every one is compared once more, now that nobody writes."""
    rows, lags, differing = 0, {}, []
    for name in SERVICES:
        count, found = climbers[name].verify()
        rows += count
        differing += [f"{name}: {one['kind']} {one['table']} {one['key']}" for one in found]
        seen = climbers[name].rows()
        lags[name] = (seen["report"] or {}).get("lag") or 0.0
    return Carried(rows=rows, lags=lags, freezes=picture.freezes, differing=differing)


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
    for name in STAYING_ENV:
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
