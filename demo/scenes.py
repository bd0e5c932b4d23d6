"""The scenes: a mistake that is found, services that die, and rows that change owner, and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from demo import interruptions
from demo.climber import Climber, Say, Spoiled
from demo.databases import SERVICES
from demo.shop import Shop
from demo.traffic import Traffic
from demo.view import Picture, photograph
from strangler.ladder import Stage

DEATHS = 1.0
"""Seconds for which somebody stays dead, and between two deaths."""
PATIENCE = 20.0
"""Seconds within which a service that has come back is asked again."""


class Scenes:
    """What is played, in this order."""

    def __init__(
        self, shop: Shop, traffic: Traffic, picture: Picture, climbers: dict[str, Climber], say: Say
    ) -> None:
        self._shop = shop
        self._traffic = traffic
        self._picture = picture
        self._climbers = climbers
        self._say = say

    def let_rows_flow(self) -> None:
        """Before anything moves: the rows of three begin to flow, beside it all."""
        self._say("[cyan]Overture[/]  Rows of three capabilities begin to flow to their services.")
        for name in SERVICES:
            self._climbers[name].climb(Stage.REPLICATING)
        self._show("pricing")

    def find_the_mistake(self) -> None:
        """Scene 1: in the shadow, a wrong tax is found; the gate refuses, and says where."""
        pricing = self._climbers["pricing"]
        self._say("[cyan]Scene 1[/]  The service taxes German baskets wrongly. Who notices?")
        pricing.climb(Stage.SHADOW)
        refused = pricing.try_to("advance")
        if refused.code != 1:
            raise Spoiled(f"the wrong tax was not found: {refused}")
        for verdict in refused.answer["verdicts"]:
            if verdict["outcome"] == "failed":
                self._say(f"[red]refused[/]  {verdict['message']}")
        self._say("The service is restarted with the right rule.")
        self._shop.services["pricing"].stop()
        self._shop.services["pricing"].start(**self._shop.right_rules())
        pricing.command("renew", "--reason", "the right tax rule is deployed")

    def climb_with_a_crash(self) -> None:
        """Scene 2: up to live; at 25 % the service is killed."""
        pricing = self._climbers["pricing"]
        self._say("[cyan]Scene 2[/]  Up the ladder, with a power cut on the way.")
        pricing.climb(Stage.CANARY, 5)
        pricing.climb(Stage.CANARY, 25)
        time.sleep(0.5)
        self._say("[yellow]SIGKILL[/]  The service is gone, in the midst of its answers.")
        self._shop.services["pricing"].kill()
        time.sleep(1.5)
        self._shop.services["pricing"].start(**self._shop.right_rules())
        self._wait_until_it_is_asked("pricing")
        seen = self._picture.ledger
        self._say(
            f"It is back. The monolith answered {seen.rescued} requests in its place; "
            f"failed so far: {len(seen.failures)}"
        )
        pricing.command("renew", "--reason", "the service is back after a power cut")
        pricing.climb(Stage.CANARY, 50)
        pricing.climb(Stage.LIVE)
        time.sleep(1)

    def come_back(self, *, retire: bool) -> None:
        """Scenes 3 and 4, at a time: pricing comes back and climbs for good; catalog sets out."""
        pricing = self._climbers["pricing"]
        self._say("[cyan]Scene 3[/]  The way back is one command. Then up again.")
        pricing.move("rollback", "--to", str(Stage.MONOLITH))
        with meanwhile(self._take_the_tables_along):
            pricing.climb(Stage.SHADOW)
            pricing.climb(Stage.CANARY, 50)
            pricing.climb(Stage.LIVE)
            if retire:
                pricing.climb(Stage.RETIRED)

    def _take_the_tables_along(self) -> None:
        """Scene 4: catalog's rows change owner while staff reprice."""
        catalog = self._climbers["catalog"]
        self._traffic.draw_to("pricing", "catalog")
        self._say("[cyan]Scene 4[/]  Catalog goes, tables and all, while staff change prices.")
        catalog.climb(Stage.SHADOW)
        catalog.climb(Stage.CANARY, 50)
        self._switch(catalog, "advance", "--to", str(Stage.LIVE))

    def hand_the_listening_over(self) -> None:
        """Scenes 5 and 6, at a time: who tells customers changes, while all behind it die."""
        notifications = self._climbers["notifications"]
        self._show("notifications")
        self._say("[cyan]Scene 5[/]  Notifications goes with what it listens to, and comes back.")
        with meanwhile(self._kill_them_all):
            notifications.climb(Stage.SHADOW)
            notifications.climb(Stage.CANARY, 50)
            self._switch(notifications, "advance", "--to", str(Stage.LIVE))
            time.sleep(1)
            self._switch(notifications, "rollback", "--to", str(Stage.CANARY), "--percent", "50")
            self._switch(notifications, "advance", "--to", str(Stage.LIVE))

    def _kill_them_all(self) -> None:
        """Scene 6: whoever works behind the scenes dies, one after the other, while all buy."""
        self._say("[cyan]Scene 6[/]  Provider, relay and worker: each dies, and orders go on.")
        for part in self._shop.behind:
            interruptions.check()
            time.sleep(DEATHS)
            self._say(f"[yellow]SIGKILL[/]  {part.name} is gone.")
            part.kill()
            time.sleep(DEATHS)
            part.start()
        self._say("All are back, and do what was left.")

    def race_for_the_last(self) -> None:
        """Scene 7: inventory's rows change owner, back and again, while the last goods are sold."""
        inventory = self._climbers["inventory"]
        self._show("inventory")
        self._say("[cyan]Scene 7[/]  Inventory goes, while everybody wants the last few pieces.")
        inventory.climb(Stage.SHADOW)
        inventory.climb(Stage.CANARY, 50)
        self._traffic.race()
        time.sleep(0.3)
        self._switch(inventory, "advance", "--to", str(Stage.LIVE))
        photograph(self._picture, self._shop.settings.folder / "view.svg")
        time.sleep(1)
        self._say("And back, with every row that was written there; then up again.")
        self._switch(inventory, "rollback", "--to", str(Stage.CANARY), "--percent", "50")
        self._switch(inventory, "advance", "--to", str(Stage.LIVE))
        time.sleep(1)

    def _wait_until_it_is_asked(self, capability: str) -> None:
        """Until clients get its answers again: whoever decides has left it alone for a while."""
        answered, until = self._picture.ledger.answers, time.monotonic() + PATIENCE
        before = answered(capability, "service")
        while answered(capability, "service") == before:
            if time.monotonic() > until:
                raise Spoiled(f"{capability} runs again, and nobody asks it")
            time.sleep(0.05)

    def _show(self, capability: str) -> None:
        """Turn the camera, and the visitors."""
        self._picture.show(capability)
        self._traffic.draw_to(capability)

    def _switch(self, climber: Climber, verb: str, *arguments: str) -> None:
        climber.move(verb, *arguments)
        seen = climber.rows()
        last = seen["switches"][0]  # the latest
        self._picture.freezes.append((climber.name, last["freeze"]))
        self._say(
            f"[yellow]freeze[/]  epoch {seen['epoch']}: {climber.name} is the {seen['owner']}'s; "
            f"commands waited for {last['freeze'] * 1000:.0f} ms at most"
        )


@contextmanager
def meanwhile(play: Callable[[], None]) -> Iterator[None]:
    """Play this beside the block, which ends with it; what spoils either spoils both."""
    with ThreadPoolExecutor(1, "beside") as beside:
        played = beside.submit(play)
        yield
        played.result()
