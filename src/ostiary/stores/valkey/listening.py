"""A subscription, on a connection of its own. Channels are sharded ones, which a single server has too: in a cluster
their messages stay on the server that has the slot."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import MovedError, RedisError

from ostiary.errors import Unavailable
from ostiary.stores.valkey.errors import unavailable
from ostiary.stores.valkey.topology import Topology

_SILENCE = 2.0  # seconds without a message after which the server is asked whether it is still there


async def listen(topology: Topology, channel: str) -> AsyncGenerator[bytes | None]:
    """Messages, and before the first None, as soon as it listens. Raises Unavailable when it no longer does."""
    connection: AbstractConnection | None = None
    try:
        connection = await _subscribed(topology, channel)
        yield None
        async for message in _messages(topology, connection):
            yield message
    except (RedisError, OSError) as error:
        topology.forget()
        raise unavailable(error) from error
    finally:
        if connection is not None:
            with contextlib.suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)


async def _subscribed(topology: Topology, channel: str) -> AbstractConnection:
    for _ in range(3):
        connection = await topology.connect()
        try:
            await connection.send_command("SSUBSCRIBE", channel, check_health=False)
            if await connection.read_response(disable_decoding=True, timeout=topology.address.timeout) is None:
                raise Unavailable(private="valkey: nobody answers who could be listened to")
        except MovedError as error:
            topology.moved(error.host, error.port)
            await connection.disconnect(nowait=True)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        else:
            return connection
    raise Unavailable(private="valkey: our keys keep moving")


async def _messages(topology: Topology, connection: AbstractConnection) -> AsyncIterator[bytes]:
    asked = False
    while True:
        told: Any = await connection.read_response(disable_decoding=True, timeout=_SILENCE, disconnect_on_error=False)
        if told is None:
            if asked or not topology.is_current(connection):
                raise Unavailable(private="valkey: no longer the server to listen to")
            asked = True
            await connection.send_command("PING", check_health=False)
            continue
        asked = False
        if told[0] == b"smessage":
            yield told[2]
        elif told[0] == b"sunsubscribe":
            raise Unavailable(private="valkey: our keys have moved")
