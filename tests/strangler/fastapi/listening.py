"""The sample service, as one that listens too: ``python -m tests.strangler.fastapi.listening``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fastapi import FastAPI

from strangler.events.subscribe import Handlers
from strangler.fastapi.app import service
from strangler.fastapi.server import main
from strangler.sqlalchemy.events.ledger import consumer
from tests.strangler.events.listening import Inbox, Listener, ParkedEvent, poison
from tests.strangler.events.sample import StarSeen
from tests.strangler.fastapi.sample import Garden, GardenService


def create() -> FastAPI:
    url = os.environ["GARDEN_DATABASE"]
    listener = Listener(url)
    handlers = Handlers("garden")
    trouble = poison("Sirius")

    @handlers.on
    def remember(event: StarSeen) -> None:
        if not Path(os.environ["GARDEN_MENDED"]).exists():
            trouble(event)
        listener._remember(event)

    handlers.anew(
        empty=lambda: listener.run("DELETE FROM effect"),
        ask=lambda: Path(os.environ["GARDEN_MENDED"]).touch(),
    )
    listens = consumer(handlers, listener.database, Inbox, ParkedEvent)
    return service(
        Garden, GardenService(), database=url, during=[listener.database], consumer=listens
    )


if __name__ == "__main__":
    sys.exit(main(create, program="tests.strangler.fastapi.listening", port=8101))
