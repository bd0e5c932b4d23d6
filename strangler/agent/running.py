"""An agent, put together: it follows, and where it stands beside an edge it counts."""

from __future__ import annotations

import threading
from collections.abc import Sequence
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
    counting = None
    if nginx is not None:
        counter = Counter(Log(nginx.log), follower.rungs, control, name=name, reopen=nginx.reopen)
        counting = threading.Thread(target=counter.run, args=(ending,), name="counting")
        counting.start()
    follower.run(ending)
    if counting is not None:
        counting.join()
    control.close()
