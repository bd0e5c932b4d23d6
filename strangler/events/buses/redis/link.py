"""A connection to Redis, whose errors are the bus's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    NoScriptError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import TimeoutError as Late
from redis.retry import Retry

from strangler.events.buses import BadBus, BusAway, BusError

PATIENCE: Final = 5.0
"""Seconds to wait for an answer."""
BLOCK: Final = 1.0
"""Seconds that Redis may keep us waiting for news, at most."""
_REFUSED = (AuthenticationError, AuthorizationError, NoPermissionError)
_NEVER = ("ERR unknown command", "ERR Unknown", "WRONGTYPE", "ERR syntax", "MOVED", "CROSSSLOT")


def stream(topic: str, partition: int) -> str:
    """Where a partition's events are."""
    return f"strangler:events:{topic}:{partition}"


class Link:
    """One connection, made when it is needed, and made again when it has broken."""

    def __init__(self, url: str) -> None:
        """Nothing is connected yet.

        Raises:
            BadBus: the URL is none that Redis has.
        """
        try:
            # A command that has been sent is never sent again behind our back: the whole batch is.
            self._client: Any = redis.Redis.from_url(
                url,
                protocol=2,
                retry=Retry(NoBackoff(), 0),
                socket_timeout=PATIENCE,
                socket_connect_timeout=PATIENCE,
                socket_keepalive=True,
            )
            self._client.connection_pool.make_connection()  # connects nowhere, and knows options
        except (ValueError, TypeError, RedisError) as error:
            raise BadBus(
                f"this is no URL of a Redis ({error}): write redis://user:password@host:6379/0"
            ) from error
        self._scripts: dict[str, str] = {}

    def run(self, *command: Any) -> Any:
        """What Redis answers to one command.

        Raises:
            BusAway, BadBus: see each of them.
        """
        try:
            return self._client.execute_command(*command)
        except RedisError as error:
            raise said(error) from error

    def script(self, source: str, keys: Sequence[str], arguments: Sequence[Any] = ()) -> Any:
        """What a script returns, which is sent once to each Redis.

        Raises:
            BusAway, BadBus: see each of them.
        """
        try:
            digest = self._scripts.get(source)
            if digest is None:
                digest = self._scripts[source] = self._client.script_load(source)
            try:
                return self._client.execute_command("EVALSHA", digest, len(keys), *keys, *arguments)
            except NoScriptError:  # another Redis, or the same one started again
                self._client.script_load(source)
                return self._client.execute_command("EVALSHA", digest, len(keys), *keys, *arguments)
        except RedisError as error:
            raise said(error) from error

    def close(self) -> None:
        """Hang up."""
        self._client.close()


def said(error: RedisError) -> BusError:
    """What an error of Redis means to whoever uses the bus."""
    if isinstance(error, _REFUSED):
        return BadBus(f"Redis refuses us: {error}; look at the user and the password in the URL")
    if isinstance(error, ResponseError) and str(error).startswith(_NEVER):
        return BadBus(f"Redis can't do this: {error}; it has to be 7.0 or later, and no Cluster")
    if isinstance(error, Lost | Late):
        return BusAway(f"Redis does not answer: {error}")
    return BusAway(f"Redis can't do this now: {error}")
