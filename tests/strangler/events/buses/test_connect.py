"""A bus by its URL."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from strangler.events.buses import BadBus, Bus, BusAway
from strangler.events.buses.connect import connect
from strangler.events.buses.database import DatabaseBus
from strangler.events.buses.kafka import KafkaBus
from strangler.events.buses.redis import RedisBus
from tests.servers import free_port
from tests.strangler.events.buses.saying import said


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http", DatabaseBus),
        ("http?lease=20s", DatabaseBus),
        ("redis://broker:6379/0", RedisBus),
        ("redis://user:secret@broker?retention=7d&replicas=1&socket_timeout=3", RedisBus),
        ("rediss://broker:6380/1", RedisBus),
        ("kafka://one:9092,two:9092", KafkaBus),
        ("kafka://one:9092?security.protocol=SASL_SSL&lease=10s", KafkaBus),
    ],
)
def test_a_url_names_a_bus(url: str, kind: type[Bus]):
    with connect(url, database="sqlite:///here.db") as bus:
        assert type(bus) is kind


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("amqp://broker", "write http, redis://"),
        ("", "write http, redis://"),
        ("http://broker", "write http, redis://"),
        ("http?lease=soon", "write lease=15s"),
        ("redis://broker/zero", "write redis://user:password@host:6379/0"),
        ("redis://broker?retention=1w", "write retention=15s, 10m, 24h or 7d"),
        ("redis://broker?replicas=many", "write replicas=1"),
        ("redis://broker?retries_for_ever=1", "write redis://user:password@host:6379/0"),
        ("kafka://", "kafka://host:9092,host:9092"),
        ("kafka://broker", "kafka://host:9092,host:9092"),
        ("kafka://user:secret@broker:9092", "security.protocol=SASL_SSL"),
        ("kafka://broker:9092/topic", "kafka://host:9092,host:9092"),
    ],
)
def test_a_bad_url_is_refused_with_its_remedy(url: str, remedy: str):
    with pytest.raises(BadBus) as refused:
        connect(url, database="sqlite:///here.db")
    assert remedy in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("database", ["mysql://host/name", "sqlite://", "sqlite:///:memory:", "x"])
def test_queues_are_in_a_database(database: str):
    with pytest.raises(BadBus, match="write postgresql://"):
        connect("http", database=database)


def test_http_needs_to_know_whose_database():
    with pytest.raises(BadBus, match="name it"):
        connect("http")


@pytest.mark.parametrize(("url", "library", "extra"), [
    ("redis://broker", "redis", "strangler[redis]"),
    ("kafka://broker:9092", "confluent_kafka", "strangler[kafka]"),
])  # fmt: skip
def test_a_library_that_is_missing_is_named(
    url: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
):
    for name in list(sys.modules):
        if name.partition(".")[0] == library or name.startswith("strangler.events.buses."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BadBus) as refused:
        connect(url)
    assert f"install {extra}" in str(refused.value)


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{port}", "http"])
def test_nobody_there_is_no_mistake_of_ours(url: str, tmp_path: Path):
    url = url.format(port=free_port())
    with connect(url, database=f"sqlite:///{tmp_path}/none.db", consumers=lambda _: ["x"]) as bus:
        with pytest.raises(BusAway):
            bus.publish([said("catalog", "one", 1)])
        with pytest.raises(BusAway):
            bus.subscribe("listener", ["catalog"])


def test_a_file_that_is_no_database_is_a_mistake_of_ours(tmp_path: Path):
    (tmp_path / "notes.db").write_text("what I wanted to say " * 100)
    database = f"sqlite:///{tmp_path}/notes.db"
    bus = connect("http", database=database, consumers=lambda _: ["x"])
    with bus, pytest.raises(BadBus, match=r"notes\.db"):
        bus.publish([said("catalog", "one", 1)])


def test_queues_are_made_where_they_are_missing(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("CREATE TABLE a (b)")
    database = f"sqlite:///{tmp_path}/shop.db"
    with connect("http", database=database, consumers=lambda _: ["x"]) as bus:
        assert not bus.publish([said("catalog", "one", 1)])
        with bus.subscribe("x", ["catalog"]) as subscription:
            assert subscription.backlog() == 1
