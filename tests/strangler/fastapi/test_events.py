"""A service that listens: it is brought events, or pulls them, while it owns its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strangler.events import receiving
from strangler.events.aside import PlaceRefused
from strangler.events.buses.connect import connect
from strangler.events.buses.push import Target
from strangler.events.elsewhere import ServicePlace
from strangler.events.envelope import BATCH, Envelope, encode_batch
from strangler.events.replayed import Replayed
from strangler.fastapi.events import WrongHandlers, check
from strangler.ladder import Arm
from strangler.manifest import Capability, parse
from strangler.ports import headers as names
from strangler.ports.trust.keys import Keyring, generate
from strangler.transfer.sqlite import SqliteDatabase
from tests.servers import free_port
from tests.strangler.events.listening import Listener, star
from tests.strangler.fastapi.running import Answered, Service, ask
from tests.strangler.fastapi.sample import ROUTES

SKY = """
[capability.sky]
context  = "monolith.sky"
owner    = "team-sky"
contract = "tests.strangler.fastapi.sample:Sky"
service  = ["http://127.0.0.1:8103"]
routes   = ["/api/sky/"]
"""
LISTENING = (
    ROUTES.replace(
        'callers  = ["kitchen"]',
        'callers  = ["kitchen"]\nsubscribes = ["sky.star.seen"]\ntransfer = "no.such:tables"',
    )
    + SKY
)
PATIENCE = 30.0


class Garden:
    """A service, its database, and who speaks to it."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.keys = folder / "keys"
        for party in ("monolith", "garden", "kitchen", "sky"):
            generate(self.keys, party)
        (folder / "capabilities.toml").write_text(LISTENING)
        self.url = f"sqlite:///{folder / 'garden.sqlite3'}"
        self.mended = folder / "mended"
        self.epoch = 3
        self.listener = Listener(self.url)
        self.service = Service(
            "tests.strangler.fastapi.listening",
            {
                "STRANGLER_MANIFEST": str(folder / "capabilities.toml"),
                "STRANGLER_KEYS": str(self.keys),
                "GARDEN_DATABASE": self.url,
                "GARDEN_MENDED": str(self.mended),
                **env,
            },
        )

    def owned(self, owner: Arm) -> None:
        session = SqliteDatabase(
            self.url, capability="garden", arm=Arm.SERVICE, tables=["effect"]
        ).session()
        self.epoch += 1
        epoch = self.epoch
        session.install(owner=Arm.SERVICE, epoch=epoch)
        session.seize(epoch)
        now = session.owner()
        assert now is not None
        with session.step(token=epoch, epoch=now.epoch) as step:
            step.record(owner=owner, epoch=epoch, frozen=False)
        session.close()

    def bring(self, *events: Envelope, party: str = "monolith") -> Answered:
        body = encode_batch(list(events))
        keyring = Keyring.load(self.keys, party)
        token = receiving.token(keyring, "garden", body, audience="garden")
        headers = {"Content-Type": BATCH, names.CONTEXT: token}
        return ask(self.service.url, "POST", f"{receiving.PATH}garden", body, headers)

    def place(self, party: str = "monolith", url: str = "") -> ServicePlace:
        keyring = Keyring.load(self.keys, party)
        target = Target((url or self.service.url,), "garden")
        return ServicePlace("garden", target, lambda: keyring)

    def figure(self, name: str) -> float:
        text = self.service.get("/metrics").body.decode()
        (line,) = (one for one in text.splitlines() if one.startswith(f"{name}{{"))
        return float(line.rpartition(" ")[2])


def soon(done: Callable[[], Any]) -> None:
    ends = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Garden]:
    made = Garden(tmp_path_factory.mktemp("garden"))
    with made.service:
        yield made
    made.listener.close()


@pytest.fixture
def garden(running: Garden) -> Garden:
    """The service, which has heard of nothing yet, and owns nothing."""
    for table in ("inbox", "parked_event", "effect"):
        running.listener.run(f"DELETE FROM {table}")  # noqa: S608 - ours
    running.mended.unlink(missing_ok=True)
    return running


def test_it_is_brought_events_while_it_owns_its_rows(garden: Garden) -> None:
    effects = garden.listener.effects
    assert garden.bring(star("Vega", 1)).refused == (421, "NotOwner")  # nobody says that it does
    garden.owned(Arm.SERVICE)
    events = [star("Vega", 1), star("Sirius", 1), star("Vega", 2), star("Sirius", 2)]
    for _ in range(2):
        assert garden.bring(*events).status == 200
    assert garden.bring(star("Vega", 3), party="sky").status == 200
    assert garden.bring(star("Vega", 4), party="kitchen").refused == (403, "SpeakerRefused")
    assert effects() == {"Vega": [1, 2, 3]}
    soon(lambda: garden.figure("strangler_events_parked") == 2)
    garden.mended.touch()  # and its own thread tries again
    soon(lambda: effects().get("Sirius") == [1, 2])
    soon(lambda: garden.figure("strangler_events_parked") == 0)
    garden.owned(Arm.MONOLITH)
    answer = garden.bring(star("Rigel", 1))
    assert answer.refused == (421, "NotOwner")
    assert answer.headers[names.OWNER.lower()] == "monolith"
    assert "Rigel" not in effects()
    answer = ask(garden.service.url, "GET", f"{receiving.PATH}garden")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert ask(garden.service.url, "POST", f"{receiving.PATH}garden", b"[]").status == 401


def test_the_monolith_decides_about_what_it_has_set_aside(garden: Garden) -> None:
    place = garden.place()
    with pytest.raises(PlaceRefused, match="neither the monolith nor its service says"):
        place.listed(10)
    garden.owned(Arm.SERVICE)
    events = [star("Sirius", 1), star("Vega", 1), star("Sirius", 2)]
    assert garden.bring(*events).status == 200
    assert (place.count(), garden.place("sky").name) == (2, "garden")
    with pytest.raises(PlaceRefused, match="403: sky decides nothing"):
        garden.place("sky").count()
    assert [(one.id, one.waits) for one in place.listed(10)] == [
        (events[0].id, False),
        (events[2].id, True),
    ]
    assert place.replay(events[0].id) == Replayed(0, 1, 1), "it fails once more"
    assert (place.replay("unknown"), place.drop("unknown", who="a", reason="b")) == (None, None)
    assert place.drop(events[0].id, who="ada", reason="a test") == 1
    garden.mended.touch()
    soon(lambda: garden.listener.effects() == {"Vega": [1], "Sirius": [2]})
    assert place.replay() == Replayed()
    garden.mended.unlink()
    assert place.anew() == 1
    assert garden.listener.effects() == {}
    assert garden.mended.exists(), "others have been asked"

    answer = ask(garden.service.url, "POST", f"{receiving.PATH}garden/anew", b"{}")
    assert answer.refused == (401, "TokenRefused")
    nobody = garden.place(url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(PlaceRefused, match=r"start it, or take the rows back .*rollback garden"):
        nobody.replay()


@pytest.mark.redis
def test_it_pulls_from_a_broker_while_it_owns_its_rows(tmp_path: Path, redis_url: str) -> None:
    garden = Garden(tmp_path, STRANGLER_BUS=redis_url)
    with garden.service, connect(redis_url) as bus:
        bus.publish([star("Vega", 1), star("Vega", 2)])
        time.sleep(1.0)
        assert garden.listener.effects() == {}
        garden.owned(Arm.SERVICE)
        soon(lambda: garden.listener.effects() == {"Vega": [1, 2]})
        bus.publish([star("Vega", 3)])
        soon(lambda: garden.listener.effects() == {"Vega": [1, 2, 3]})
    garden.listener.close()


def test_handlers_and_manifest_have_to_agree(tmp_path: Path) -> None:
    def capability(text: str) -> Capability:
        return parse(text, path=tmp_path / "m.toml", environ={}).capabilities["garden"]

    listener = Listener(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    listener.consumer.name = "garden"
    check(listener.consumer, capability(LISTENING))
    with pytest.raises(WrongHandlers, match=r"sky\.star\.seen is handled, and not subscribed"):
        check(listener.consumer, capability(ROUTES))
    more = LISTENING.replace('["sky.star.seen"]', '["sky.star.seen", "sky.comet.gone"]')
    with pytest.raises(WrongHandlers, match=r"sky\.comet\.gone is subscribed to, and nobody"):
        check(listener.consumer, capability(more))
    listener.consumer.name = "notes"
    with pytest.raises(WrongHandlers, match="the handlers are notes's"):
        check(listener.consumer, capability(LISTENING))
    listener.close()
