"""A pytest plugin: ports are tested as if everything had been extracted already.

Installed with the kit. By default every bound port is placed ``loopback`` in tests (ini option
``strangler_placement``; an environment variable ``STRANGLER_<CAPABILITY>`` outranks it, ``placed``
outranks both)::

    @pytest.mark.topologies                  # local, loopback, and over real HTTP
    @pytest.mark.topologies("http", latency=0.02)
    @pytest.mark.max_port_calls(3)           # fails on chatty code, and names the calls

Under ``topologies`` each command that is declared idempotent is delivered a second time after the
first has succeeded, and the test fails if the second answer is another one.

Over HTTP, whoever is served in this process answers in a thread of its own. It sees the database as
another process would: with pytest-django ask for ``django_db(transaction=True)``, since what a test
has not committed is not there for it. What such a thread has opened is closed by the hook
``pytest_port_served``; for Django, in a conftest::

    def pytest_port_served():
        connections.close_all()
"""

from __future__ import annotations

import contextlib
import threading
import time
import typing
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from strangler.manifest.model import Placement
from strangler.ports import runtime
from strangler.ports.declare import Kind, Method, Port, capability
from strangler.ports.runtime import MONOLITH

if typing.TYPE_CHECKING:
    from strangler.ports.testing.testserver import PortServer

TOPOLOGIES = ("local", "loopback", "http")


@contextlib.contextmanager
def placed(everything: Placement | None = None, /, **capabilities: Placement) -> Iterator[None]:
    """Place the calls of these capabilities, or of all others: ``placed("auto", catalog="local")``.

    For the whole process, so that threads and servers in it follow.
    """
    changes = {"*": everything, **capabilities} if everything else dict(capabilities)
    with runtime.configured(placed={**runtime.wiring.placed, **changes}):
        yield


@contextlib.contextmanager
def serving(port: type[Port], implementation: Port) -> Iterator[None]:
    """This object answers for the port inside the block: a fake, or the thing under test."""
    before = runtime.implementation(capability(port))
    runtime.register(port, implementation)
    try:
        yield
    finally:
        if before is None:
            runtime.unregister(port)
        else:
            runtime.register(port, before)


class Calls:
    """Stands around every port call of one test: counts, delays, delivers twice."""

    def __init__(self, *, twice: bool, latency: float) -> None:
        self.made: list[str] = []
        self.differences: list[str] = []
        self._twice = twice
        self._latency = latency
        self._again = 0
        self._lock = threading.Lock()

    def __call__(self, method: Method, run: Callable[[], Any]) -> Any:
        """Let the call through. Copies are not counted, nor what they call in turn."""
        with self._lock:
            copy = self._again > 0
            if not copy:
                self.made.append(str(method))
        time.sleep(self._latency)
        answer = run()
        if self._twice and not copy and method.kind is Kind.COMMAND and method.idempotent:
            self._deliver_again(method, run, answer)
        return answer

    def _deliver_again(self, method: Method, run: Callable[[], Any], first: Any) -> None:
        with self._lock:
            self._again += 1
        try:
            second = run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the first copy did not raise it
            second = error
        finally:
            with self._lock:
                self._again -= 1
        if second != first:
            self.differences.append(
                f"{method} is declared idempotent, but a second copy is answered differently:\n"
                f"  first:  {first!r}\n  second: {second!r}"
            )


class Hooks:
    """What the plugin calls, if a project wants to know."""

    @pytest.hookspec
    def pytest_port_served(self) -> None:
        """A thread of the topology ``http`` has answered a call: close what it has opened."""


_calls = pytest.StashKey[Calls]()
_server = pytest.StashKey["PortServer"]()
_before = pytest.StashKey[runtime.Wiring]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one setting."""
    parser.addini(
        "strangler_placement",
        "where bound ports run in tests: loopback (default), local, remote or auto",
        default="loopback",
    )


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """See ``Hooks``."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and place every port for the run.

    Raises:
        pytest.UsageError: the ini option names no placement.
    """
    config.addinivalue_line(
        "markers",
        "topologies(*names, latency=0.0): run the test local, loopback and over HTTP, or as named; "
        "commands declared idempotent are delivered twice; latency in seconds, but not to local",
    )
    config.addinivalue_line(
        "markers", "max_port_calls(n): fail the test if it makes more than n port calls"
    )
    placement = config.getini("strangler_placement")
    if placement not in typing.get_args(Placement):
        legal = ", ".join(typing.get_args(Placement))
        raise pytest.UsageError(f"strangler_placement = {placement}: write one of {legal}")
    config.stash[_before] = runtime.wiring
    runtime.configure(placed={"*": placement})


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server, and leave the process as it was found."""
    if _server in config.stash:
        config.stash[_server].stop()
    if _before in config.stash:
        runtime.configure(placed=config.stash[_before].placed)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each topology."""
    marker = metafunc.definition.get_closest_marker("topologies")
    if marker is None:
        return
    names = marker.args or TOPOLOGIES
    if unknown := [name for name in names if name not in TOPOLOGIES]:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: no topology {unknown}; there are {TOPOLOGIES}"
        )
    metafunc.parametrize("_ports", names, indirect=True)


@pytest.fixture(autouse=True)
def _ports(request: pytest.FixtureRequest) -> Iterator[None]:
    topology = getattr(request, "param", None)
    marker = request.node.get_closest_marker("topologies")
    limit = request.node.get_closest_marker("max_port_calls")
    if topology is None and limit is None:
        yield
        return
    latency = float(marker.kwargs.get("latency", 0.0)) if marker is not None else 0.0
    calls = Calls(twice=topology is not None, latency=latency if topology == "loopback" else 0.0)
    request.node.stash[_calls] = calls
    with contextlib.ExitStack() as stack:
        stack.enter_context(runtime.configured(interpose=calls))
        if topology == "http":
            server = _running(request.config)
            server.latency = latency
            stack.enter_context(server.wired())
        elif topology is not None:
            stack.enter_context(placed(topology))
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail the test itself for what its port calls have shown."""
    yield
    calls = item.stash.get(_calls, None)
    if calls is None:
        return
    if calls.differences:
        pytest.fail("\n".join(calls.differences), pytrace=False)
    marker = item.get_closest_marker("max_port_calls")
    if marker is not None and len(calls.made) > marker.args[0]:
        lines = "".join(f"\n  {number}. {call}" for number, call in enumerate(calls.made, 1))
        pytest.fail(
            f"{len(calls.made)} port calls, and {marker.args[0]} are allowed. Each may cross a "
            f"network one day: ask for many at once instead.{lines}",
            pytrace=False,
        )


def _running(config: pytest.Config) -> PortServer:
    if _server not in config.stash:
        from strangler.ports.testing.testserver import PortServer  # noqa: PLC0415 - few tests need one

        config.stash[_server] = PortServer(config.hook.pytest_port_served, party=MONOLITH)
    return config.stash[_server]
