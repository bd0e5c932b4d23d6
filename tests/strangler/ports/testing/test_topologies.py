"""The pytest plugin: what it finds, shown by running pytest on small suites."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from strangler.ports.bind import bind
from strangler.ports.context import Context, User, current, use
from strangler.ports.errors import CallRefused, OutcomeUnknown
from strangler.ports.testing import serving
from tests.strangler.ports.sample import Missing, Shelf, Shop

shop = bind(Shop)

pytest_plugins = ["pytester"]


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()
    with serving(Shop, shelf):
        yield shelf


@pytest.mark.topologies
class TestHereAndThere:
    """One suite, three topologies: the caller can't tell them apart."""

    def test_an_answer(self, shelf: Shelf):
        assert shop.look("spade").name == "spade"
        assert shop.look_all(["a", "b"])[1].name == "b"

    def test_a_declared_error(self, shelf: Shelf):
        with pytest.raises(Missing) as missing:
            shop.look("nothing")
        assert missing.value.name == "nothing"

    def test_the_user_and_the_cohort_arrive(self, shelf: Shelf):
        with use(Context(user=User("7", ("staff",)), cohort=5)):
            shop.look("spade")
        (context,) = shelf.contexts
        assert (context.user, context.cohort) == (User("7", ("staff",)), 5)

    def test_an_idempotent_command_is_delivered_twice_and_others_once(self, shelf: Shelf):
        shop.put("spade")
        shop.sell("spade")
        assert shelf.asked == ["put spade", "put spade", "sell spade"]

    @pytest.mark.max_port_calls(2)
    def test_copies_are_not_counted(self, shelf: Shelf):
        shop.put("spade")
        shop.put("spade")

    def test_a_command_in_a_shadow_is_refused(self, shelf: Shelf):
        with use(Context(shadow=True)), pytest.raises(CallRefused):
            shop.sell("spade")


@pytest.mark.topologies("loopback", "http")
def test_what_is_not_declared_is_unknown_where_a_wire_is_between(shelf: Shelf):
    with pytest.raises(OutcomeUnknown):
        shop.look("bug")


@pytest.mark.topologies("http")
def test_over_http_another_thread_answers(shelf: Shelf):
    threads = []
    shelf._note = lambda name: threads.append(threading.current_thread())  # type: ignore[method-assign]  # a spy
    with use(Context(cohort=5)):
        shop.look("spade")
        assert current().cohort == 5
    assert threads[0] is not threading.current_thread()


SUITE = """
from dataclasses import dataclass
import time
import pytest
from strangler.ports.bind import bind
from strangler.ports.context import current
from strangler.ports.declare import Port, command, query
from strangler.ports.testing import placed, serving

class Till(Port, capability="till"):
    @query()
    def total(self) -> int: ...
    @query()
    def sum(self) -> int: ...
    @command(idempotent=True)
    def add(self, key: str) -> int: ...
    @command(idempotent=True)
    def check(self, key: str) -> int: ...

till = bind(Till)

class Drawer(Till):
    def __init__(self):
        self.added = 0
        self.hops = []
    def total(self):
        self.hops.append(current().hops)
        return self.added
    def sum(self):
        return till.total() + till.total()
    def add(self, key):
        self.added += 1
        return self.added
    def check(self, key):
        if self.added:
            raise ValueError("added before")
        self.added = 1
        return 1

@pytest.fixture
def drawer():
    drawer = Drawer()
    with serving(Till, drawer):
        yield drawer
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    return pytester


def run(suite: pytest.Pytester, text: str, *options: str) -> pytest.RunResult:
    suite.makepyfile(SUITE + text)
    return suite.runpytest_inprocess("-p", "no:django", *options)


def test_a_command_that_is_not_idempotent_after_all_is_found(suite: pytest.Pytester):
    result = run(
        suite,
        """
@pytest.mark.topologies
def test_add(drawer):
    assert till.add("k") == 1

@pytest.mark.topologies("local")
def test_check(drawer):
    till.check("k")
""",
    )
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines([
        "*test_add?local?*",
        "*till.add is declared idempotent, but a second copy is answered differently:*",
        "*first:  1*",
        "*second: 2*",
    ])  # fmt: skip
    result.stdout.fnmatch_lines(["*till.check is declared*", "*second: ValueError*"])


def test_chatty_code_is_told_its_calls(suite: pytest.Pytester):
    result = run(
        suite,
        """
@pytest.mark.max_port_calls(2)
def test_chatty(drawer):
    till.sum()

@pytest.mark.topologies
@pytest.mark.max_port_calls(3)
def test_within(drawer):
    till.sum()
""",
    )
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines([
        "*3 port calls, and 2 are allowed.*", "*1. till.sum*", "*2. till.total*", "*3. till.total*"
    ])  # fmt: skip


def test_latency_is_on_the_wire_only(suite: pytest.Pytester):
    result = run(
        suite,
        """
@pytest.mark.topologies(latency=0.15)
def test_slow(drawer, request):
    began = time.perf_counter()
    till.total()
    slow = time.perf_counter() - began >= 0.15
    assert slow is ("local" not in request.node.name)
""",
    )
    result.assert_outcomes(passed=3)


def test_ports_are_placed_loopback_unless_told_otherwise(suite: pytest.Pytester):
    text = """
def test_hops(drawer):
    till.total()
    with placed("local"):
        till.total()
    with placed(till="loopback"):
        till.total()
    assert drawer.hops == {hops}
"""
    run(suite, text.format(hops=[1, 0, 1])).assert_outcomes(passed=1)
    run(suite, text.format(hops=[0, 0, 1]), "-o", "strangler_placement=local").assert_outcomes(
        passed=1
    )


def test_a_placement_or_topology_that_is_none_is_a_usage_error(suite: pytest.Pytester):
    result = run(suite, "", "-o", "strangler_placement=moon")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*strangler_placement = moon: write one of local, *"])
    result = run(suite, '@pytest.mark.topologies("moon")\ndef test_it(): pass\n')
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*no topology ?'moon'?; there are*"])


def test_a_project_hears_when_a_thread_has_answered(suite: pytest.Pytester):
    suite.makeconftest(
        """
served = []
def pytest_port_served():
    served.append(1)
"""
    )
    result = run(
        suite,
        """
@pytest.mark.topologies("local", "http")
def test_it(drawer, request):
    import sys
    served = sys.modules["conftest"].served
    till.total()
    till.total()
    assert len(served) == (2 if "http" in request.node.name else 0)
""",
    )
    result.assert_outcomes(passed=2)


def test_the_plugin_brings_no_framework_with_it(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    suite.makepyfile(
        """
import sys

def test_it(request):
    assert request.config.pluginmanager.has_plugin("strangler")
    assert not {"django", "fastapi", "starlette"} & set(sys.modules)
"""
    )
    result = suite.runpytest_subprocess("-p", "strangler")
    result.assert_outcomes(passed=1)
