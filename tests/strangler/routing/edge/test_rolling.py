"""Whatever stands behind NGINX, or NGINX itself, is replaced while clients ask: who loses what?"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from strangler.routing.nginx.settings import LINGERING
from tests.servers import (
    ServerMissingError,
    current_nginx,
    installed_nginx,
    nginx_version,
    running,
)
from tests.strangler.routing.edge.front import Front
from tests.strangler.routing.edge.rolling import (
    Load,
    Works,
    in_background,
    install,
    master,
    wait_until,
    workers,
    works,
)

pytestmark = pytest.mark.journey

ROUNDS = int(os.environ.get("ROLLING_ROUNDS", "1"))
CLIENTS = 6
PAUSE = 0.01 if ROUNDS == 1 else 0.0
"""Whoever begins anew needs a processor, too."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Works]:
    with works(tmp_path_factory.mktemp("rolling")) as made:
        yield made


def everything_was_done_once(load: Load) -> None:
    assert load.failed == {}
    assert set(load.done.values()) == {1}


def reasons(load: Load, *methods: str) -> set[str | None]:
    """Why whoever has answered has, of the weather."""
    asked = load.answered
    return {why for method, path, _, why in asked if method in methods and "weather" in path}


def test_each_replica_and_the_monolith_are_replaced(made: Works) -> None:
    """Also where nobody may answer in the service's place."""
    with (
        running(made.front()) as front,
        running(made.front("weather")) as strict,
        Load(made, front.port, CLIENTS // 2, pause=PAUSE) as load,
        Load(made, strict.port, CLIENTS // 2, pause=PAUSE) as alone,
    ):
        for _ in range(ROUNDS):
            for port in made.ports:
                assert made.replace_replica(port) == 0
                load.goes_on(20)
                alone.goes_on(20)
            assert made.replace_gunicorn() == 0
            load.goes_on(20)
            alone.goes_on(20)
    everything_was_done_once(load)
    everything_was_done_once(alone)
    # The monolith may answer a query in the service's place; nobody may a command.
    assert reasons(load, "POST", "PUT", "PATCH") == {"inside"}
    assert reasons(load, "GET") <= {"inside", "fallback"}
    assert reasons(alone, "GET", "POST", "PUT", "PATCH") == {"inside"}


def reload(front: Front) -> None:
    """As the agent does when the manifest has changed."""
    number = master(front)
    old = workers(number)
    os.kill(number, signal.SIGHUP)
    wait_until(lambda: bool(workers(number)) and not old & workers(number))


def upgrade(front: Front) -> None:
    """The binary that is there takes the place of the one that runs, as NGINX's own documentation
    has it."""
    old = master(front)
    os.kill(old, signal.SIGUSR2)
    wait_until(lambda: master(front) not in {0, old} and bool(workers(master(front))))
    os.kill(old, signal.SIGWINCH)
    wait_until(lambda: not workers(old))
    os.kill(old, signal.SIGQUIT)
    wait_until(lambda: not Path(f"/proc/{old}").exists())


@pytest.mark.parametrize("connections", ["one each", "kept"])
def test_nginx_itself_is_replaced(made: Works, connections: str) -> None:
    """Whoever connects anew loses nothing; whoever keeps a connection may find it closed.

    Then nothing has been done. From the version on that lets connections linger nobody does.
    """
    times = 1 if ROUNDS == 1 else 2 * ROUNDS
    front = made.front()
    version = nginx_version(front.program)
    kept = connections == "kept"
    with in_background(front), Load(made, front.port, CLIENTS, kept, PAUSE) as load:
        for change in (reload, upgrade):
            before = len(load.failed)
            for _ in range(times):
                change(front)
                load.goes_on(20)
            lost = len(load.failed) - before
            said = f"{change.__name__} {times} times, {CLIENTS} clients, {connections}: lost {lost}"
            print(f"\n{'.'.join(map(str, version))}: {said}")  # noqa: T201 -- what it has cost this time
    if connections == "one each" or version >= LINGERING:
        assert load.failed == {}
    assert len(load.failed) <= 2 * times * CLIENTS
    done = load.done
    assert {done[number] for number in load.failed} <= {0}, load.failed
    assert {done[number] for number in load.served} == {1}


@pytest.fixture(scope="module")
def versions() -> tuple[str, str]:
    """What is installed, and what is current."""
    try:
        return installed_nginx(), current_nginx()
    except ServerMissingError as missing:
        pytest.skip(str(missing))


def test_another_version_takes_its_place(made: Works, versions: tuple[str, str]) -> None:
    old, new = versions
    front = made.front(program=old)
    with (
        in_background(front),
        Load(made, front.port, CLIENTS // 2, kept=False, pause=PAUSE) as load,
        Load(made, front.port, CLIENTS // 2, pause=PAUSE) as kept,
    ):
        install(front, new)
        upgrade(front)
        assert Path(f"/proc/{master(front)}/exe").resolve() == Path(new).resolve()
        load.goes_on(20)
        kept.goes_on(20)
    everything_was_done_once(load)
    assert len(kept.failed) <= CLIENTS
    assert {kept.done[number] for number in kept.failed} <= {0}, kept.failed


def test_one_edge_after_the_other_is_replaced(made: Works, versions: tuple[str, str]) -> None:
    """Out of the balance first: nobody loses anything, of whatever version they are."""
    with ExitStack() as edges:
        edge = edges.enter_context(running(made.front()))
        with Load(made, edge.port, CLIENTS, pause=PAUSE) as load:
            for program in versions * ROUNDS:
                fresh = edges.enter_context(running(made.front(program=program)))
                load.port = fresh.port
                wait_until(lambda: set(load.at.values()) == {load.port})
                os.kill(master(edge), signal.SIGQUIT)
                wait_until(lambda edge=edge: not master(edge))
                load.goes_on(20)
                edge = fresh
    everything_was_done_once(load)
