"""The monolith's side of the door, asked over WSGI: commands come in, or are carried."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from strangler.django import conf
from strangler.django.door import DoorShut, NotOwner, commanding
from strangler.ladder import Arm, Stage
from strangler.ports import headers as names
from strangler.ports import runtime
from strangler.ports.bind import bind
from strangler.ports.context import Context, current, use
from strangler.ports.errors import PortError
from strangler.ports.serve import serve
from strangler.ports.testing import placed
from strangler.ports.trust import secret as secret_of_edges
from strangler.ports.trust.keys import Keyring
from strangler.ports.trust.tokens import Use, verify
from strangler.transfer.sqlite import SqliteDatabase, SqliteSession
from tests.assets.sky.port import Weather, WeatherService
from tests.strangler.django.behind_edge import Edge, Reply
from tests.strangler.django.faults import Seen, close, reply

BODY = b"a body, \x00 and all"
OURS = {"Cookie": "strangler_cohort=7"}


class Side:
    """The monolith's database of the capability, with a mover's hand on it."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self.session = self.connected()
        self.session.install(owner=Arm.MONOLITH, epoch=1)
        self.session.seize(1)

    def connected(self) -> SqliteSession:
        return SqliteDatabase(
            self.url, capability="weather", arm=Arm.MONOLITH, tables=["places"]
        ).session()

    def says(self, owner: Arm, epoch: int) -> None:
        now = self.session.owner()
        assert now is not None
        with self.session.step(token=1, epoch=now.epoch) as step:
            step.record(owner=owner, epoch=epoch, frozen=False)

    def captures(self) -> None:
        with self.session.step(token=1, epoch=1) as step:
            step.capture(on=True, patience=1)

    def write(self, name: str) -> None:
        self.run("INSERT INTO places (name) VALUES (?)", name)

    def run(self, sql: str, *values: object) -> None:
        with sqlite3.connect(self.url.removeprefix("sqlite:///")) as connection:
            connection.execute(sql, values)

    @contextmanager
    def mover(self) -> Iterator[Event]:
        """One that answers what it is asked once everything has been moved."""
        moved, stop = Event(), Event()

        def answers() -> None:
            with closing(self.connected()) as session:
                while not stop.wait(0.01):
                    now = session.owner()
                    if moved.is_set() and now is not None:
                        session.answer(session.asked(), token=now.token, epoch=now.epoch)

        with ThreadPoolExecutor() as threads:
            done = threads.submit(answers)
            yield moved
            stop.set()
            done.result(5)


@pytest.fixture
def side(shop: Edge, settings: Any, tmp_path: Path) -> Iterator[Side]:
    """The capability has tables by now, on both sides."""
    path = tmp_path / "rows.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE places (id integer PRIMARY KEY AUTOINCREMENT, name text)")
    side = Side(path)
    settings.STRANGLER = {**settings.STRANGLER, "DOOR": side.url}
    manifest = tmp_path / "capabilities.toml"
    manifest.write_text(
        manifest.read_text().replace('"tests.assets.sky"', '"monolith.inventory"', 1)
    )
    conf.manifest.cache_clear()
    begin(shop)
    yield side
    side.session.open_door()
    side.session.close()


def begin(shop: Edge) -> None:
    from django.core.handlers.wsgi import WSGIHandler

    shop.forget()
    shop.handler = WSGIHandler()
    shop.stand(Stage.CANARY, 100, tables=True)


def post(shop: Edge, **more: Any) -> Reply:
    return shop.ask("POST", "/weather/rome?a=1", OURS, BODY, **more)


def proved(shop: Edge, seen: Seen) -> Context:
    return verify(
        Keyring.load(shop.root / "keys", "weather"),
        seen.header(names.CONTEXT) or "",
        use=Use.HTTP,
        action=names.face("weather", "POST"),
        body=BODY,
        target="/weather/rome?a=1",
    )


def elsewhere(owner: Arm, epoch: int) -> Any:
    return reply(
        421, {"error": "NotOwner"}, f"{names.EXECUTED}: no", f"{names.OWNER}: {owner}",
        f"{names.EPOCH}: {epoch}",
    )  # fmt: skip


class TestCarrying:
    def test_the_owner_answers(self, shop: Edge, side: Side) -> None:
        answer = post(shop)
        assert (answer.status, answer.arm, answer.json()["size"]) == (201, "monolith", len(BODY))
        assert shop.service.hits == 0

    def test_what_the_service_owns_is_carried_there_whole(self, shop: Edge, side: Side) -> None:
        side.says(Arm.SERVICE, 2)
        answer = post(shop)
        assert (answer.status, answer.arm, answer.reason) == (200, "service", "carried")
        assert shop.service.seen[0].body == BODY
        assert proved(shop, shop.service.seen[0]).epoch == 2
        assert shop.asked == []
        assert shop.recorded == [("weather", "service", "command", False, False)]

    def test_what_the_service_turns_away_comes_home_whole(self, shop: Edge, side: Side) -> None:
        shop.stand(Stage.LIVE, tables=True)
        side.says(Arm.MONOLITH, 5)
        shop.service.behave = elsewhere(Arm.MONOLITH, 5)
        answer = post(shop)
        assert (answer.status, answer.arm, answer.json()["size"]) == (201, "monolith", len(BODY))
        assert (answer.reason, shop.service.hits) == ("carried", 1)
        assert shop.recorded == [("weather", "monolith", "command", False, False)]

    def test_sides_that_know_nothing_get_nobody_into_a_loop(
        self, shop: Edge, side: Side, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("strangler.django.edge.commands.PATIENCE", 0.5)
        side.says(Arm.SERVICE, 2)
        shop.service.behave = elsewhere(Arm.MONOLITH, 2)
        answer = post(shop)
        assert (answer.status, answer.header("Retry-After")) == (503, "1")
        assert answer.header(names.EXECUTED) == "no"
        assert 1 <= shop.service.hits < 10
        assert shop.asked == []

    def test_a_freeze_costs_latency(self, shop: Edge, side: Side) -> None:
        side.session.close_door(patience=1)
        with ThreadPoolExecutor() as threads:
            asked = threads.submit(post, shop)
            time.sleep(0.2)
            assert not asked.done()
            assert shop.ask("GET", "/about", OURS).status == 200
            side.says(Arm.SERVICE, 2)
            side.session.open_door()
            answer = asked.result(5)
        assert (answer.status, answer.arm) == (200, "service")
        assert shop.service.seen[0].body == BODY

    def test_what_a_kit_party_brings_is_carried_no_further(self, shop: Edge, side: Side) -> None:
        side.says(Arm.SERVICE, 2)
        token = shop.token(method="POST", body=BODY, target="/weather/rome")
        answer = shop.ask("POST", "/weather/rome", {"X-Strangler-Context": token}, BODY)
        assert answer.status == 421
        assert answer.header(names.EXECUTED) == "no"
        assert answer.header(names.OWNER) == "service"
        assert answer.header(names.EPOCH) == "2"
        assert shop.service.hits == 0

    def test_behind_nginx_it_is_carried_once(self, shop: Edge, side: Side, settings: Any) -> None:
        settings.STRANGLER = {**settings.STRANGLER, "EDGE": "nginx"}
        begin(shop)
        side.says(Arm.SERVICE, 2)
        assert post(shop).arm == "service"
        shop.service.behave = elsewhere(Arm.MONOLITH, 3)
        assert post(shop).status == 421
        assert shop.service.hits == 2

    def test_a_capability_on_its_first_rung_has_no_door(self, shop: Edge, side: Side) -> None:
        shop.stand(Stage.MONOLITH, tables=True)
        side.session.close_door(patience=1)
        assert post(shop).status == 201


class TestLine:
    """Behind an edge that sends again, few clients wait at a door; calls of others always may."""

    @pytest.fixture
    def weather(
        self, shop: Edge, side: Side, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[WeatherService]:
        monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
        settings.STRANGLER = {**settings.STRANGLER, "EDGE": "nginx"}
        begin(shop)
        implementation = WeatherService()
        serve(Weather, implementation)
        yield implementation
        runtime.unregister(Weather)

    def test_calls_within_other_requests_wait_and_all_succeed(
        self, shop: Edge, side: Side, weather: WeatherService
    ) -> None:
        side.session.close_door(patience=1)
        with ThreadPoolExecutor(16) as threads:
            calls = [threads.submit(bind(Weather).report, "rome", number) for number in range(6)]
            asked = [threads.submit(post, shop) for _ in range(4)]
            refused, waiting = wait(asked, timeout=1.0)
            assert len(refused) >= 3
            for answer in (one.result() for one in refused):
                assert (answer.status, answer.header(names.EXECUTED)) == (503, "no")
                assert answer.header("Retry-After") == "1"
                assert answer.json()["error"] == "DoorShut"
            assert not any(call.done() for call in calls)
            assert not weather.asked
            assert not shop.asked
            side.session.open_door()
            assert [call.result(5) for call in calls] == [True] * 6
            assert [one.result(5).status for one in waiting] == [201] * len(waiting)
        assert len(weather.asked) == 6
        assert len(shop.asked) == len(waiting)

    @pytest.mark.parametrize(("workers", "room"), [("9", 3), ("2", 1)])
    def test_a_third_of_the_workers_may_wait(
        self,
        shop: Edge,
        side: Side,
        weather: WeatherService,
        monkeypatch: pytest.MonkeyPatch,
        *,
        workers: str,
        room: int,
    ) -> None:
        monkeypatch.setenv("WEB_CONCURRENCY", workers)
        side.session.close_door(patience=1)
        with ThreadPoolExecutor(16) as threads:
            asked = [threads.submit(post, shop) for _ in range(room + 3)]
            refused, waiting = wait(asked, timeout=0.7)
            assert len(waiting) == room
            side.session.open_door()
            assert {one.result(5).status for one in waiting} == {201}
        assert {one.result().status for one in refused} == {503}


class TestReadYourWrites:
    def test_who_commands_is_pinned_until_the_rows_have_moved(self, shop: Edge, side: Side) -> None:
        side.captures()
        assert shop.ask("GET", "/weather/rome", OURS).arm == "service"
        side.write("rome")
        answer = post(shop)
        pin = next(
            value
            for key, value in answer.headers
            if key == "Set-Cookie" and "strangler_pin" in value
        )
        assert "weather:1" in pin
        mine = {"Cookie": "strangler_cohort=7; " + pin.strip().partition(";")[0]}
        answer = shop.ask("GET", "/weather/rome", mine)
        assert (answer.arm, answer.reason) == ("monolith", "pinned")
        assert shop.ask("GET", "/weather/rome", OURS).arm == "service"
        with side.session.claim(10) as claim:
            assert len(claim.entries) == 1
        assert shop.ask("GET", "/weather/rome", mine).arm == "service"

    def test_behind_nginx_a_client_is_told_when_its_rows_have_moved(
        self, shop: Edge, side: Side, settings: Any
    ) -> None:
        secret = secret_of_edges.make(settings.STRANGLER["KEYS"])
        settings.STRANGLER = {**settings.STRANGLER, "EDGE": "nginx"}
        begin(shop)
        side.captures()
        side.write("rome")

        def told(pins: str) -> str | None:
            told = {"X-Strangler-Edge": secret, "X-Strangler-Reason": "pinned"}
            answer = shop.ask("GET", "/weather/rome", {**told, "Cookie": f"strangler_pin={pins}"})
            assert (answer.status, answer.reason) == (200, "pinned")
            given = [value for key, value in answer.headers if key == "Set-Cookie"]
            return given[0].strip().partition(";")[0] if given else None

        assert told("weather:1") is None
        assert told("weather:*|tides:*") == "strangler_pin=weather:1"
        with side.session.claim(10) as claim:
            assert len(claim.entries) == 1
        assert told("weather:1") == "strangler_pin=-"
        assert told("weather:*") == "strangler_pin=-"
        assert told("-") is None

    def test_who_brings_no_cookie_stays_with_the_owner(self, shop: Edge, side: Side) -> None:
        answer = shop.ask("GET", "/weather/rome", {"X-Tenant": "acme"})
        assert (answer.arm, answer.reason) == ("monolith", "pinned")
        given = [value for key, value in answer.headers if key == "Set-Cookie"]
        assert any("strangler_pin=-" in one for one in given)
        kept = {"X-Tenant": "acme", "Cookie": "strangler_pin=-"}
        assert shop.ask("GET", "/weather/rome", kept).arm == "service"


class TestServiceGone:
    """The service owns, has been commanded, and dies; its rows may not have flowed back yet."""

    @pytest.fixture(autouse=True)
    def live(self, shop: Edge, side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("strangler.django.doors.arriving.PATIENCE", 0.3)
        monkeypatch.setattr("strangler.django.ports.placing.in_step", lambda _: True)
        shop.stand(Stage.LIVE, tables=True)
        side.says(Arm.SERVICE, 2)

    def commanded(self, shop: Edge) -> dict[str, str]:
        """The headers of a client that has commanded the service."""
        answer = post(shop)
        assert (answer.status, answer.arm) == (200, "service")
        assert pin_of(answer) == "strangler_pin=weather:*"
        return {"Cookie": "strangler_cohort=7; strangler_pin=weather:*"}

    def test_who_has_commanded_waits_for_the_rows(self, shop: Edge, side: Side) -> None:
        mine = self.commanded(shop)
        assert pin_of(shop.ask("GET", "/weather/rome", mine)) is None
        assert side.session.asked() == 0, "nobody asks while the service answers"
        shop.service.behave = close
        answer = shop.ask("GET", "/weather/rome", mine)
        assert (answer.status, answer.arm, answer.header("Retry-After")) == (503, None, "1")
        assert answer.header(names.EXECUTED) == "no"
        assert shop.asked == []
        assert pin_of(answer) is None, "it is pinned still"
        assert shop.ask("GET", "/weather/rome", OURS).reason == "fallback", "others are not"
        with ThreadPoolExecutor() as threads, side.mover() as moved:
            asked = threads.submit(shop.ask, "GET", "/weather/rome", mine)
            time.sleep(0.1)
            assert not asked.done()
            moved.set()
            answer = asked.result(5)
        assert (answer.status, answer.arm, answer.reason) == (200, "monolith", "fallback")
        assert pin_of(answer) == "strangler_pin=-"
        assert shop.ask("GET", "/weather/rome", OURS | {"Cookie": "strangler_pin=-"}).status == 200

    def test_every_command_pins_anew(self, shop: Edge, side: Side) -> None:
        """Else its cookie would end with the first command's day."""
        mine = self.commanded(shop)
        answer = shop.ask("POST", "/weather/rome", mine, BODY)
        assert (answer.arm, pin_of(answer)) == ("service", "strangler_pin=weather:*")

    def test_a_stranger_may_have_commanded(self, shop: Edge, side: Side) -> None:
        shop.service.behave = close
        stranger = {"X-Tenant": "acme"}
        assert shop.ask("GET", "/weather/rome", stranger).status == 503
        with side.mover() as moved:
            moved.set()
            answer = shop.ask("GET", "/weather/rome", stranger)
        assert (answer.status, answer.reason) == (200, "fallback")
        assert pin_of(answer) == "strangler_pin=-"
        known = stranger | {"Cookie": "strangler_pin=-"}
        assert shop.ask("GET", "/weather/rome", known).status == 200

    def test_what_a_service_says_that_can_not_answer(self, shop: Edge, side: Side) -> None:
        mine = self.commanded(shop)
        shop.service.behave = reply(503, {"from": "the service"})
        assert shop.ask("GET", "/weather/rome", mine).json()["error"] == "Unavailable"

    def test_so_it_is_behind_nginx(self, shop: Edge, side: Side, settings: Any) -> None:
        secret = secret_of_edges.make(settings.STRANGLER["KEYS"])
        settings.STRANGLER = {**settings.STRANGLER, "EDGE": "nginx"}
        begin(shop)
        shop.stand(Stage.LIVE, tables=True)
        told = {"X-Strangler-Edge": secret, "X-Strangler-Reason": "fallback"}
        pins = {"Cookie": "strangler_cohort=7; strangler_pin=tides:*|weather:*"}
        answer = shop.ask("GET", "/weather/rome", told | pins)
        assert (answer.status, answer.header("Retry-After")) == (503, "1")
        assert shop.ask("GET", "/weather/rome", told | OURS).status == 200
        with side.mover() as moved:
            moved.set()
            answer = shop.ask("GET", "/weather/rome", told | pins)
        assert (answer.status, answer.reason) == (200, "fallback")
        assert pin_of(answer) == "strangler_pin=-"

    def test_a_table_that_knows_nothing_of_it_yet(self, shop: Edge, side: Side) -> None:
        """A switch has carried a command; the next query meets the revision of before."""
        shop.stand(Stage.SHADOW, tables=True)
        mine = self.commanded(shop)
        assert shop.ask("GET", "/weather/rome", OURS).arm == "monolith"
        assert shop.ask("GET", "/weather/rome", mine).status == 503
        side.says(Arm.MONOLITH, 3)
        answer = shop.ask("GET", "/weather/rome", mine)
        assert (answer.status, answer.arm) == (200, "monolith")

    def test_a_killed_one_is_read_here_once_the_rows_are(self, shop: Edge, side: Side) -> None:
        mine = self.commanded(shop)
        shop.stand(Stage.LIVE, tables=True, killed=True)
        assert shop.ask("GET", "/weather/rome", mine).status == 503
        assert shop.ask("GET", "/weather/rome", OURS).arm == "monolith"

    def test_ports_ask_too(self, shop: Edge, side: Side) -> None:
        shop.service.behave = close
        serve(Weather, WeatherService())
        mine, others = Context(cohort=7, pins={"weather"}), Context(cohort=7)
        try:
            with placed("auto"):
                with use(mine), pytest.raises(PortError):
                    bind(Weather).degrees("rome")
                with use(others):
                    assert bind(Weather).degrees("rome") == 21
                with side.mover() as moved, use(mine):
                    moved.set()
                    assert bind(Weather).degrees("rome") == 21
        finally:
            runtime.unregister(Weather)

    def test_who_can_not_be_asked_has_not_said_so(self, shop: Edge, side: Side) -> None:
        mine = self.commanded(shop)
        shop.service.behave = close
        side.run("DROP TABLE strangler_asked")
        assert shop.ask("GET", "/weather/rome", mine).status == 503

    def test_what_is_retired_has_nobody_to_fall_back_on(self, shop: Edge, side: Side) -> None:
        shop.stand(Stage.RETIRED, tables=True)
        answer = post(shop)
        assert (answer.arm, pin_of(answer)) == ("service", None)


def pin_of(answer: Reply) -> str | None:
    given = [value.strip() for key, value in answer.headers if key == "Set-Cookie"]
    return next((one.partition(";")[0] for one in given if "strangler_pin" in one), None)


class TestJobs:
    def test_a_job_comes_in_by_the_door(self, shop: Edge, side: Side) -> None:
        with commanding("weather"):
            assert current().doors == ("weather@monolith",)
            with commanding("weather"):
                pass

    def test_the_other_side_has_its_own(self, shop: Edge, side: Side) -> None:
        side.says(Arm.SERVICE, 2)
        with pytest.raises(NotOwner), commanding("weather"):
            raise AssertionError

    def test_a_freeze_says_try_later(self, shop: Edge, side: Side) -> None:
        side.session.close_door(patience=1)
        with pytest.raises(DoorShut), commanding("weather", patience=0.1):
            raise AssertionError
