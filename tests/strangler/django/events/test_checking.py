"""The system checks compare what is subscribed to with what is handled."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType, ModuleType

import pytest

from strangler.django import conf
from strangler.django.events import checking, consuming
from strangler.events.subscribe import Handlers
from tests.strangler.events.sample import StarSeen


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Handlers]:
    """Catalog's handlers, whatever it has of its own."""
    handlers = Handlers("catalog")
    module = ModuleType("monolith.catalog.handlers")
    module.handlers = handlers  # type: ignore[attr-defined]  # a module has any
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(consuming, "find_spec", sys.modules.get)
    consuming.consumer.cache_clear()
    yield handlers
    consuming.consumer.cache_clear()


def told(*types: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    manifest = conf.manifest()
    one = replace(manifest.capabilities["catalog"], subscribes=types)
    changed = replace(manifest, capabilities=MappingProxyType({"catalog": one}))
    monkeypatch.setattr(conf, "manifest", lambda: changed)
    found = list(checking.listening())
    assert {message.id for message in found} <= {"strangler.E007"}
    return [f"{message.msg} {message.hint or ''}" for message in found]


def seen(event: StarSeen) -> None: ...


def test_the_project_s_own_agree() -> None:
    assert list(checking.listening()) == []


def test_what_nobody_handles(handled: Handlers, monkeypatch: pytest.MonkeyPatch) -> None:
    (said,) = told("sky.star.seen", monkeypatch=monkeypatch)
    assert "catalog subscribes to sky.star.seen" in said
    assert "monolith.catalog.handlers does not handle it" in said


def test_what_nobody_is_told(handled: Handlers, monkeypatch: pytest.MonkeyPatch) -> None:
    handled.on(seen)
    (said,) = told(monkeypatch=monkeypatch)
    assert "handles sky.star.seen, and the manifest does not say so" in said
    assert "capability.catalog.subscribes" in said


def test_whose_they_are_and_where_they_are_remembered(
    handled: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled.on(seen)
    handled.consumer = "pricing"
    whose, where = told("sky.star.seen", monkeypatch=monkeypatch)
    assert 'Handlers("catalog")' in whose
    assert "derive a model from InboxEntry" in where
