"""Kafka's protocol without Kafka: the mock cluster that librdkafka brings for its own tests.

It keeps what it is told in memory, for as long as it lives; brokers go down and come up by a call.
It runs in a process of its own: what librdkafka's threads get wrong there ends no test's process.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import confluent_kafka

_PRODUCER = 0
_SAID = 512
_DONE = "done"


class MockKafka:
    """One cluster of one broker, in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.servers: str = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def topic(self, name: str, partitions: int) -> None:
        """Make a topic: the mock knows no CreateTopics, and by itself makes four partitions."""
        self._do(f"topic {name} {partitions}")

    def down(self) -> None:
        """The broker refuses connections, and those that there are break off."""
        self._do("down")

    def up(self) -> None:
        """It is back, with all that it has taken."""
        self._do("up")

    def _do(self, what: str) -> None:
        pipe = cast(IO[str], self._process.stdin)
        pipe.write(f"{what}\n")
        pipe.flush()
        answer = self._answer()
        assert answer == _DONE, f"{what}: {answer or 'the mock cluster is dead'}"

    def _answer(self) -> str:
        return cast(IO[str], self._process.stdout).readline().strip()


def _library() -> ctypes.CDLL:
    """The same one that confluent_kafka has loaded."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    (found,) = folder.glob("librdkafka-*.so*")
    library = ctypes.CDLL(str(found))
    for name in ("conf_new", "new", "handle_mock_cluster"):
        getattr(library, f"rd_kafka_{name}").restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


def _play() -> None:
    """Be the cluster, and do what is asked for on standard input, until that ends."""
    library = _library()
    said = ctypes.create_string_buffer(_SAID)
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    for name, value in ((b"test.mock.num.brokers", b"1"), (b"log_level", b"0")):
        library.rd_kafka_conf_set(conf, name, value, said, _SAID)
    client = ctypes.c_void_p(library.rd_kafka_new(_PRODUCER, conf, said, _SAID))
    assert client, said.value
    cluster = ctypes.c_void_p(library.rd_kafka_handle_mock_cluster(client))
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 50)
    _say(library.rd_kafka_mock_cluster_bootstraps(cluster).decode())
    for line in sys.stdin:
        match line.split():
            case ["topic", name, partitions]:
                wrong = library.rd_kafka_mock_topic_create(
                    cluster, name.encode(), int(partitions), 1
                )
            case ["down"]:
                wrong = library.rd_kafka_mock_broker_set_down(cluster, 1)
            case _:
                wrong = library.rd_kafka_mock_broker_set_up(cluster, 1)
        _say(f"librdkafka: error {wrong}" if wrong else _DONE)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _play()
