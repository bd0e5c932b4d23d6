"""A real NGINX is given what the manifest wants, if it agrees, and only if that is new."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from strangler.agent import configuring
from strangler.agent.configuring import NotConfigured
from strangler.agent.following import Follower, Place
from strangler.agent.running import Beside
from strangler.agent.running import run as running_agent
from strangler.ports.trust import clients
from strangler.routing.news import FOLLOW
from strangler.routing.nginx import Settings
from tests.certificates import certificate
from tests.servers import installed_nginx, running
from tests.strangler.agent.edge import SECRET, Edge, user
from tests.strangler.agent.told import Plane, line, said, wait
from tests.strangler.django.faults import Faults, Seen, faults, reply

NONE: frozenset[str] = frozenset()


@pytest.fixture
def home() -> Iterator[Faults]:
    with faults() as there:
        there.behave = reply(200, {"arm": "monolith"})
        yield there


@pytest.fixture
def edge(tmp_path: Path, home: Faults) -> Iterator[Edge]:
    with running(Edge(tmp_path, monolith=home.url)) as made:
        yield made


def compiled(edge: Edge) -> str:
    return (edge.folder / "current").readlink().name


def reloaded(edge: Edge, workers: set[str]) -> bool:
    """Have new workers taken over?"""
    return bool(edge.workers()) and not edge.workers() & workers


def test_nothing_is_done_if_nothing_changed(edge: Edge) -> None:
    workers, name = edge.workers(), compiled(edge)
    nginx = edge.nginx()
    assert not nginx.fit(NONE), "and an agent that begins anew makes no exception"
    assert not nginx.fit(NONE)
    os.utime(edge.manifest)
    assert not nginx.fit(NONE), "written anew, and the same"
    edge.manifest.write_text(edge.manifest.read_text() + "\n# a remark\n")
    assert not nginx.fit(NONE)
    time.sleep(0.05)
    assert (edge.workers(), compiled(edge)) == (workers, name)


def test_another_manifest_is_used_at_once(edge: Edge) -> None:
    workers, nginx = edge.workers(), edge.nginx()
    nginx.fit(NONE)
    former = compiled(edge)
    with faults() as other:
        other.behave = reply(200, {"arm": "another"})
        edge.write(monolith=other.url, service="http://127.0.0.1:9")
        assert nginx.fit(NONE)
        wait(lambda: reloaded(edge, workers))
        assert edge.ask("GET", "/x").json() == {"arm": "another"}
        after = edge.workers()
        assert not nginx.fit(NONE)
        time.sleep(0.05)
        assert edge.workers() == after
    assert not (edge.folder / former).exists(), "tidied up"
    assert len(list(edge.folder.glob("compiled-*"))) == 1


def test_only_its_owner_reads_the_secret(edge: Edge) -> None:
    path = edge.folder / "current" / "secret.map"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == f'edge "{SECRET}";\n'
    assert SECRET not in "".join(
        one.read_text() for one in path.parent.iterdir() if one.name != path.name
    )


def test_another_secret_is_used(edge: Edge, home: Faults) -> None:
    workers = edge.workers()
    edge.secret.write_text("another")
    assert edge.nginx().fit(NONE)
    wait(lambda: reloaded(edge, workers))
    edge.ask("GET", "/x")
    assert home.seen[-1].header("X-Strangler-Edge") == "another"


def test_a_client_s_key_holds_at_once_and_no_longer_than_it_is_known(edge: Edge) -> None:
    manifest = edge.manifest.read_text()
    edge.manifest.write_text(f'{manifest}\n[capability.weather.gateway]\nkey = "X-Api-Key"\n')
    nginx, folder = edge.nginx(), edge.secret.parent
    path = edge.folder / "current" / "clients.map"

    def status(key: str) -> int:
        return edge.ask("GET", "/weather/rome", {"X-Api-Key": key}).status

    assert nginx.fit(NONE)
    assert not path.exists()
    _, key = clients.add(folder, "acme")
    assert nginx.fit(NONE)
    assert path.stat().st_mode & 0o777 == 0o600
    wait(lambda: status(key) == 200)
    assert not nginx.fit(NONE)
    (folder / clients.FILE).write_text("[")
    with pytest.raises(NotConfigured, match=r"clients\.json"):
        nginx.fit(NONE)
    # It goes on with what it has; a worker of before the reload may have one more answer to give.
    wait(lambda: status(key) == 200)
    (folder / clients.FILE).write_text("[]")
    assert nginx.fit(NONE)
    wait(lambda: status(key) == 401)


def test_another_certificate_in_the_same_place_is_used(edge: Edge, tmp_path: Path) -> None:
    path = str(certificate(tmp_path, "localhost"))
    nginx = edge.nginx(certificate=path, certificate_key=path)
    assert nginx.fit(NONE)
    os.utime(path)
    assert not nginx.fit(NONE), "written anew, and the same"
    workers = edge.workers()
    certificate(tmp_path, "localhost")
    assert nginx.fit(NONE)
    wait(lambda: reloaded(edge, workers))
    there = compiled(edge)
    Path(path).write_text("no certificate")
    with pytest.raises(NotConfigured, match=r"certificate\.pem"):
        nginx.fit(NONE)
    assert compiled(edge) == there


REFUSED = [
    ({"listen": "nowhere.invalid:80"}, "host not found"),
    ({"listen": "127.0.0.1:http://"}, "listen"),
    ({"listen": "127.0.0.1:70000"}, "invalid port"),
    ({"resolver": "no resolver"}, "resolver"),
    ({"user": "nobody_has_this_name"}, "nobody_has_this_name"),
]


@pytest.mark.parametrize(("changes", "why"), REFUSED)
def test_what_nginx_does_not_agree_to_is_not_used(
    edge: Edge, changes: dict[str, str], why: str
) -> None:
    if "user" in changes and os.geteuid():
        return  # only root's NGINX looks
    workers, name = edge.workers(), compiled(edge)
    with pytest.raises(NotConfigured) as refused:
        edge.nginx(**changes).fit(NONE)
    assert why in str(refused.value)
    assert "alert" not in str(refused.value)
    assert str(refused.value).count("\n") == 0
    assert (edge.workers(), compiled(edge)) == (workers, name)
    assert edge.ask("GET", "/x").json() == {"arm": "monolith"}
    assert len(list(edge.folder.glob("*compiled-*"))) == 1, "nothing is left of it"


def broken(edge: Edge) -> None:
    edge.manifest.write_text("[edge")


def wrong(edge: Edge) -> None:
    edge.write(monolith="nowhere", service="http://127.0.0.1:9")


def gone(edge: Edge) -> None:
    edge.manifest.unlink()


def no_secret(edge: Edge) -> None:
    edge.secret.unlink()


def empty_secret(edge: Edge) -> None:
    edge.secret.write_text("\n")


def odd_secret(edge: Edge) -> None:
    edge.secret.write_text('x"; } evil {')


def no_text(edge: Edge) -> None:
    edge.secret.write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (broken, "capabilities.toml"),
        (wrong, "edge.monolith"),
        (gone, "capabilities.toml"),
        (no_secret, "edge.secret: No such file"),
        (empty_secret, "strangler keys edge"),
        (odd_secret, "strangler keys edge"),
        (no_text, "edge.secret"),
    ],
)
def test_what_can_not_be_compiled_is_refused_with_the_reason(
    edge: Edge, told: Plane, harm: Any, why: str
) -> None:
    """The table flips all the same: a kill does not wait for a configuration."""
    workers, name = edge.workers(), compiled(edge)
    follower = Follower(told.control(), Place(told.root / "table", edge.nginx()), name="front")
    follower.begin()
    harm(edge)
    told.news = said(4, 30)
    follower.step()
    assert told.table.revision() == 4
    follower.step()
    assert told.reports[-1].table == 4
    assert why in told.reports[-1].refused
    assert told.reports[-1].edge.startswith("nginx 1.")
    assert (edge.workers(), compiled(edge)) == (workers, name)
    assert edge.ask("GET", "/x").json() == {"arm": "monolith"}


def test_what_was_refused_is_not_tried_all_the_time(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    nginx = edge.nginx(listen="127.0.0.1:70000")
    tried: list[tuple[str, ...]] = []
    run = nginx._run

    def counted(*arguments: str) -> subprocess.CompletedProcess[str]:
        tried.append(arguments)
        return run(*arguments)

    monkeypatch.setattr(nginx, "_run", counted)
    for _ in range(3):
        with pytest.raises(NotConfigured, match="invalid port"):
            nginx.fit(NONE)
    assert len(tried) == 1
    monkeypatch.setattr(configuring, "_AGAIN", 0.0)
    edge.manifest.write_text(edge.manifest.read_text() + "\n")
    for _ in range(2):
        with pytest.raises(NotConfigured, match="invalid port"):
            nginx.fit(NONE)
    assert len(tried) == 3, "another manifest at once, and the same after a while"


def test_a_capability_that_is_retired_is_compiled_in(edge: Edge) -> None:
    nginx = edge.nginx()
    nginx.fit(NONE)
    routes = edge.folder / "current" / "routes.conf"
    assert "include decide.conf;" in routes.read_text()
    assert nginx.fit(frozenset({"weather", "somebody_else"}))
    assert "include retired.conf;" in routes.read_text()
    assert "include decide.conf;" not in routes.read_text()
    assert edge.nginx(retired=frozenset({"weather"})).fit(NONE) is False, "the same by option"


def test_news_of_a_retired_one_are_compiled_in(edge: Edge, told: Plane) -> None:
    from strangler.ladder import Stage

    follower = Follower(told.control(), Place(told.root / "table", edge.nginx()), name="front")
    told.news = said(4, 1000, stage=Stage.RETIRED)
    follower.step()
    routes = edge.folder / "current" / "routes.conf"
    assert "include retired.conf;" in routes.read_text()
    again = Follower(told.control(), Place(told.root / "table", edge.nginx()), name="front")
    workers = edge.workers()
    again.begin()
    assert edge.workers() == workers, "an agent that begins anew finds it in the table"


def test_who_was_killed_before_nginx_was_told_tells_it(edge: Edge) -> None:
    workers, name = edge.workers(), compiled(edge)
    (edge.folder / "told").unlink()
    (edge.folder / "told").symlink_to("compiled-before")
    assert edge.nginx().fit(NONE)
    wait(lambda: reloaded(edge, workers))
    assert compiled(edge) == name
    assert not edge.nginx().fit(NONE)


def test_nobody_else_is_sent_a_signal(edge: Edge) -> None:
    """The number of one that has died may be somebody else's by now."""
    pid = edge.folder / "nginx.pid"
    known = pid.read_text()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        pid.write_text(str(stranger.pid))
        edge.secret.write_text("another")
        assert edge.nginx().fit(NONE)
        edge.nginx().reopen()
        time.sleep(0.1)
        assert stranger.poll() is None
        stranger.communicate(b"\n")
        assert stranger.returncode == 0
    for text in ("", "x", "0", "-1", "999999999"):
        pid.write_text(text)
        edge.nginx().reopen()
    pid.write_text(known)
    os.kill(int(known), signal.SIGHUP)


def test_a_program_that_is_none(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong_one, why in (("/nowhere/nginx", "can't be run"), ("/bin/true", "is that an NGINX?")):
        monkeypatch.setattr(
            "tests.strangler.agent.edge.installed_nginx", lambda wrong_one=wrong_one: wrong_one
        )
        with pytest.raises(NotConfigured, match=why):
            edge.nginx()


def test_a_folder_that_can_not_be_written(tmp_path: Path, home: Faults) -> None:
    there = Edge(tmp_path, monolith=home.url)
    there.port = 8080
    there.folder.rmdir()
    there.folder.write_text("in the way")
    with pytest.raises(NotConfigured, match=r"exists|Not a directory"):
        there.nginx().fit(NONE)
    there.folder.unlink()


def test_what_was_counted_last_is_told_before_it_leaves(edge: Edge, told: Plane) -> None:
    """Of an agent that has left nobody takes any counts."""
    ending, heard = threading.Event(), []
    behave = told.behave

    def noting(peer: socket.socket, seen: Seen) -> None:
        heard.append(seen.target)
        behave(peer, seen)

    told.faults.behave = noting
    told.news = said(4, 30)
    settings = Settings(
        table=str(told.root / "table"), listen=f"127.0.0.1:{edge.port}", user=user()
    )
    beside = Beside(edge.folder, installed_nginx(), edge.manifest, settings)
    agent = threading.Thread(
        target=running_agent,
        args=([told.faults.url], told.root / "table", edge.secret.parent),
        kwargs={
            "party": "edge", "audience": "monolith", "name": "front", "beside": beside,
            "ending": ending,
        },
    )  # fmt: skip
    agent.start()
    wait(lambda: told.table_is(4) and len(told.reports) > 1)
    with (edge.folder / "access.json").open("a") as log:
        log.write(json.dumps(line(time.time() + 1)) + "\n")
    ending.set()
    agent.join(20)
    assert [one.counted[0].requests for one in told.counts] == [1]
    assert told.reports[-1].leaves
    assert heard[-1] == FOLLOW
