"""What Kafka's errors mean to whoever uses the bus."""

# ruff: noqa: SLF001 - librdkafka's own errors are called so

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError

from strangler.events.buses import BadBus, BusAway, BusError

TOO_LARGE: Final = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}
_NEVER: Final = {
    KafkaError._AUTHENTICATION,
    KafkaError._INVALID_ARG,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.UNSUPPORTED_VERSION,
}
_TAKEN: Final = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError._NO_OFFSET,
    KafkaError._STATE,
}


def told(error: Exception) -> BusError:
    """What was raised, as an error of the bus."""
    found = error.args[0] if error.args else None
    return said(found) if isinstance(found, KafkaError) else BusAway(f"Kafka: {error}")


def said(error: KafkaError) -> BusError:
    """What was reported, as an error of the bus."""
    if error.code() in _NEVER:
        return BadBus(f"Kafka refuses us: {error.str()}; look at the URL, and at our rights")
    if error.code() in _TAKEN:
        return BusAway(f"others of this consumer have taken over: {error.str()}")
    return BusAway(f"Kafka does not answer, or not now: {error.str()}")


def passes(error: KafkaError) -> bool:
    """Does what was received in place of an event mean nothing?"""
    return error.code() == KafkaError._PARTITION_EOF or error.retriable()
