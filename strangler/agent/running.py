"""An agent, put together: it follows, and where it stands beside an edge it counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from strangler.agent.configuring import Nginx
from strangler.agent.control import Control
from strangler.agent.counting import Counter
from strangler.agent.following import Follower, Place
from strangler.agent.reading import Log
from strangler.ports.trust import secret
from strangler.ports.trust.keys import Keyring
from strangler.routing.nginx import Settings


class Beside(NamedTuple):
    """The NGINX that an agent stands beside."""

    folder: Path
    program: str
    manifest: Path
    settings: Settings


def run(
    urls: Sequence[str],
    table: Path,
    keys: Path,
    *,
    party: str,
    audience: str,
    name: str,
    beside: Beside | None,
    ending: threading.Event,
    once: bool = False,
) -> None:
    """Run until ``ending`` is set; with ``once`` only until NGINX has a configuration.

    Raises:
        KeysUnusable: this party has no key there.
        NotConfigured: NGINX can't be given a configuration to begin with.
        ValueError: a URL is no URL.
    """
    control = Control(urls, Keyring.load(keys, party), audience=audience)
    nginx = None
    if beside is not None:
        nginx = Nginx(
            beside.folder,
            program=beside.program,
            manifest=beside.manifest,
            secret=keys / secret.FILE,
            settings=beside.settings,
        )
    follower = Follower(control, Place(table, nginx), name=name)
    follower.begin()
    if once:
        return
    # Who waits for news hears of no end: it is left behind.
    following = _Doing(follower.run, ending, daemon=True)
    doing = [following]
    if nginx is not None:
        counter = Counter(Log(nginx.log), follower.rungs, control, name=name, reopen=nginx.reopen)
        doing.append(_Doing(counter.run, ending))
    for one in doing:
        one.start()
    ending.wait()
    for one in doing[1:]:
        one.join()
    follower.leave()
    control.close()
    for one in doing:
        if one.failed is not None:
            raise one.failed


class _Doing(threading.Thread):
    """A part of an agent; if it fails, the whole agent ends."""

    def __init__(
        self,
        part: Callable[[threading.Event], None],
        ending: threading.Event,
        *,
        daemon: bool = False,
    ) -> None:
        super().__init__(daemon=daemon)
        self._part = part
        self._ending = ending
        self.failed: BaseException | None = None

    def run(self) -> None:
        try:
            self._part(self._ending)
        except BaseException as error:  # noqa: BLE001  # whoever waits for the end raises it
            self.failed = error
        finally:
            self._ending.set()
