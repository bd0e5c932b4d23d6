"""Kafka's protocol without Kafka: the mock cluster that librdkafka brings for its own tests.

It keeps what it is told in memory, for as long as it lives; brokers go down and come up by a call.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import TracebackType
from typing import Self

import confluent_kafka

_PRODUCER = 0
_SAID = 512


def _library() -> ctypes.CDLL:
    """The same one that confluent_kafka has loaded."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    (found,) = folder.glob("librdkafka-*.so*")
    library = ctypes.CDLL(str(found))
    for name in ("conf_new", "new", "handle_mock_cluster"):
        getattr(library, f"rd_kafka_{name}").restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


class MockKafka:
    """One cluster of one broker."""

    def __init__(self) -> None:
        self._library = _library()
        said = ctypes.create_string_buffer(_SAID)
        conf = ctypes.c_void_p(self._library.rd_kafka_conf_new())
        for name, value in ((b"test.mock.num.brokers", b"1"), (b"log_level", b"0")):
            self._library.rd_kafka_conf_set(conf, name, value, said, _SAID)
        self._client = ctypes.c_void_p(self._library.rd_kafka_new(_PRODUCER, conf, said, _SAID))
        assert self._client, said.value
        self._cluster = ctypes.c_void_p(self._library.rd_kafka_handle_mock_cluster(self._client))
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 50)
        self.servers: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._library.rd_kafka_destroy(self._client)

    def topic(self, name: str, partitions: int) -> None:
        """Make a topic: the mock knows no CreateTopics, and by itself makes four partitions."""
        assert not self._library.rd_kafka_mock_topic_create(
            self._cluster, name.encode(), partitions, 1
        )

    def down(self) -> None:
        """The broker refuses connections, and those that there are break off."""
        assert not self._library.rd_kafka_mock_broker_set_down(self._cluster, 1)

    def up(self) -> None:
        """It is back, with all that it has taken."""
        assert not self._library.rd_kafka_mock_broker_set_up(self._cluster, 1)
