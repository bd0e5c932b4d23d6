"""Kafka as a bus: a topic ``events.<capability>`` for each, a consumer group for each consumer.

The key of a record is the event's partition key, and we say ourselves which partition it goes to,
by the number that the topic has: so it stays in order as long as that number does. What was
received and not acknowledged is kept in memory, and committed is only what comes before it.

Tests run this against the mock cluster that librdkafka brings, which speaks Kafka's protocol.
"""

from strangler.events.buses.kafka.bus import KafkaBus
from strangler.events.buses.kafka.subscription import KafkaSubscription

__all__ = ["KafkaBus", "KafkaSubscription"]
