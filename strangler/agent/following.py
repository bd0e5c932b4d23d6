"""Following the control plane: each revision is applied here, or refused with the reason."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from strangler.agent.configuring import Nginx, NotConfigured
from strangler.agent.control import Control, ControlAway
from strangler.agent.counting import Rungs
from strangler.ladder import Stage
from strangler.routing.news import WAIT, News, Report, readable
from strangler.routing.publish import PublishFailed, publish
from strangler.routing.table import Entry, Table, TableUnusable

_PAUSE = (0.1, 2.0)
"""Seconds between two attempts to reach a control plane that is away: at first, and at last."""
_ONCE = 0.2
"""Seconds between two questions to a control plane that lets nobody wait, or that says of one
revision now this and now that, as its processes do while they are replaced one after the other."""
_VERIFIED = 5.0
"""Seconds after which a table is read again for damage."""

_log = logging.getLogger("strangler.agent")


@dataclass(slots=True)
class Place:
    """What an agent looks after: a routing table, and the NGINX that asks it, if there is one."""

    table: Path
    nginx: Nginx | None = None
    _readers: Table = field(init=False)

    def __post_init__(self) -> None:
        # One for all questions: it does not read a whole revision for each.
        self._readers = Table(self.table, verify_every=_VERIFIED)

    def revision(self) -> int:
        """The revision that readers see; 0 where there is no table."""
        try:
            return self._readers.revision()
        except TableUnusable:
            return 0

    def retired(self) -> frozenset[str]:
        """The capabilities that the table here says are retired."""
        try:
            known = self._readers.entries().items()
            return frozenset(name for name, one in known if one.stage is Stage.RETIRED)
        except TableUnusable:
            return frozenset()

    def flip(self, news: News) -> str:
        """Let the table say what the control plane wants; why it could not, or nothing."""
        current = self.revision()
        try:
            if current <= news.revision:
                current = publish(self.table, news.revision, _entries(news), groups=news.groups)
        except PublishFailed as error:
            return str(error)
        except (KeyError, TypeError, ValueError) as error:
            return f"this kit can't read the news ({type(error).__name__}: {error})"
        if current > news.revision:
            return f"the table here is at revision {current}: somebody killed there"
        return ""

    def configure(self, retired: frozenset[str]) -> str:
        """Let NGINX have what the manifest wants; why it could not, or nothing."""
        try:
            if self.nginx is not None and self.nginx.fit(retired):
                _log.info("nginx has a new configuration")
        except NotConfigured as error:
            return str(error)
        return ""


class Follower:
    """One agent, which asks again and again until it is told to end."""

    def __init__(self, control: Control, place: Place, *, name: str) -> None:
        """Nobody is asked yet.

        Raises:
            NotConfigured: there is no NGINX where there should be one.
        """
        self._control = control
        self._place = place
        self.rungs = Rungs()
        edge = f"nginx {place.nginx.version}" if place.nginx is not None else ""
        self._report = Report(name=name, edge=edge)
        self._retired = place.retired()
        self._news: News | None = None
        """What the table should say; None where nobody has said so yet."""
        self._flip = ""
        """Why it does not."""
        self._away = 0

    def run(self, ending: threading.Event) -> None:
        """Until ``ending`` is set."""
        while not ending.is_set():
            ending.wait(self.attempt())

    def leave(self) -> None:
        """Say that this agent ends: nobody waits for it any more."""
        try:
            self._control.follow(replace(self._report, leaves=True))
        except ControlAway as error:
            _log.debug("nobody hears that this agent ends: %s", error)

    def begin(self) -> None:
        """See that there is a configuration, whoever can be reached.

        Raises:
            NotConfigured: there can't be one.
        """
        if wrong := self._place.configure(self._retired):
            raise NotConfigured(wrong)

    def attempt(self) -> float:
        """Ask once; seconds to wait before the next time."""
        began = time.monotonic()
        try:
            heard = self.step()
        except ControlAway as error:
            if not self._away:
                _log.warning("the control plane is away; the table stays as it is: %s", error)
            self._away += 1
            longest = min(_PAUSE[0] * 2**self._away, _PAUSE[1])
            return random.uniform(_PAUSE[0], longest)  # noqa: S311 -- lest all come at once
        if self._away:
            _log.warning("the control plane answers again")
        self._away = 0
        return 0.0 if heard or time.monotonic() - began > _ONCE else _ONCE

    def step(self) -> bool:
        """Report, and do what is news; whether that was of another revision.

        Raises:
            ControlAway: there is no answer.
        """
        report = replace(self._report, table=self._place.revision(), wait=WAIT)
        news = self._control.follow(report)
        known = self._report.heard
        if news is not None:
            self._news = news
            self._retired = _retired(news)
            self._report = replace(self._report, heard=news.revision, digest=news.digest)
        # The flip comes first: what is wrong with a configuration does not delay a kill.
        self._keep(anew=news is not None)
        # The manifest beside us may have changed, too.
        wrong = "; ".join(filter(None, (self._flip, self._place.configure(self._retired))))
        wrong = readable(wrong)
        if wrong and wrong != self._report.refused:
            _log.error("%s", wrong)
        self._report = replace(self._report, refused=wrong)
        if news is not None:
            _log.info("revision %d is %s", news.revision, "refused" if wrong else "applied")
        return self._report.heard != known

    def _keep(self, *, anew: bool) -> None:
        """Let the table say the latest news: also where that failed before, or where it is gone."""
        if self._news is None or not (
            anew or self._flip or self._place.revision() != self._news.revision
        ):
            return
        self._flip = self._place.flip(self._news)
        if not self._flip:
            self.rungs.learn(self._news.since, time.time())


def _entries(news: News) -> dict[str, Entry]:
    return {name: Entry.from_json(one) for name, one in news.entries.items()}


def _retired(news: News) -> frozenset[str]:
    retired = Stage.RETIRED.value
    return frozenset(name for name, one in news.entries.items() if one.get("stage") == retired)
