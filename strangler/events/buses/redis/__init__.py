"""Redis Streams as a bus: one stream for each partition of a topic, a group for each consumer.

Redis 7.0 or later, alone or behind Sentinel; no Cluster, whose shards could not publish a batch in
one step. It does not lose what was published if it writes an append-only file.
"""

from strangler.events.buses.redis.bus import RedisBus
from strangler.events.buses.redis.subscription import RedisSubscription

__all__ = ["RedisBus", "RedisSubscription"]
