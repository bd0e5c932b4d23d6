"""The ``http`` bus: queues in the speaker's own database, and a pusher that empties them.

Nothing but the database is needed: each event waits there once for each of its consumers, until
``strangler.events.buses.push`` has handed it to whoever handles for that consumer.
"""

from strangler.events.buses.database.bus import DatabaseBus
from strangler.events.buses.database.subscription import DatabaseSubscription

__all__ = ["DatabaseBus", "DatabaseSubscription"]
