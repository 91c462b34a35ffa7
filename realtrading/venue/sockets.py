"""One WebSocket connection that is used once: it reads until it ends, says so exactly once, and never reconnects by
itself.

python-binance's reader reconnects behind the caller's back without subscribing again, dies on an answer nobody waits
for, and takes seconds to close. Here a connection is a generation: when it is over, it is over, and its owner builds
another one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import websockets
from binance.exceptions import BinanceWebsocketUnableToConnect
from binance.ws.constants import WSListenerState
from binance.ws.reconnecting_websocket import ReconnectingWebsocket

from .answers import BODY_MAX

PING_EVERY_S = 10.0
PONG_WITHIN_S = 10.0
_OPEN_TIMEOUT_S = 8.0
_CLOSE_TIMEOUT_S = 0.5

# the websockets library logs whole frames at DEBUG, signatures among them: this logger never goes that low
_wire_log = logging.getLogger("realtrading.venue.wire")
_wire_log.setLevel(logging.WARNING)


class _Connect(websockets.connect):
    """A handshake that is never redirected: what follows it is signed."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class OneConnection(ReconnectingWebsocket):  # type: ignore[misc]  # the library is untyped
    """`connect()` once, then `on_end(detail)` once.

    Subclasses read frames in `_take`, which runs in the reader's task.
    """

    MAX_RECONNECTS = 0

    def watch(self, on_end: Callable[[str], None]) -> None:
        """Who hears of the end. Call it before `connect`."""
        self._on_end = on_end
        self._reader: asyncio.Task[None] | None = None
        self._used = False
        self.ended: str | None = None

    async def connect(self) -> None:
        """Open the connection and begin to read.

        Raises what the handshake raises, and `BinanceWebsocketUnableToConnect` the second time.
        """
        if self._used:
            raise BinanceWebsocketUnableToConnect("Connection failed: this connection is used up")
        self._used = True
        self.ws = await _Connect(
            f"{self._url}{self._prefix}{self._path}",
            proxy=None,
            max_size=BODY_MAX,
            ping_interval=PING_EVERY_S,
            ping_timeout=PONG_WITHIN_S,
            open_timeout=_OPEN_TIMEOUT_S,
            close_timeout=_CLOSE_TIMEOUT_S,
            user_agent_header="realtrading",
            logger=_wire_log,
        )
        if self.ended is not None:  # given up while the handshake was on its way
            await self.ws.close()
            raise BinanceWebsocketUnableToConnect(f"Connection failed: {self.ended}")
        self.ws_state = WSListenerState.STREAMING
        self._reader = asyncio.get_running_loop().create_task(self._read_loop())

    async def _read_loop(self) -> None:
        detail = "connection closed by the venue"
        try:
            while self.ended is None:
                # as bytes: a text that is not UTF-8 would end the connection before anybody could say what it was
                self._take(await self.ws.recv(decode=False))
        except asyncio.CancelledError:
            detail = "given up"
            if self.ended is None:  # nobody gave it up: the loop itself ends, and nobody will be there to say good-bye
                self.ws.transport.abort()
        except websockets.ConnectionClosed as closed:
            detail = f"connection lost ({closed})"
        except Exception as error:  # a reader that dies must be heard of
            detail = f"{type(error).__name__} while reading"
        finally:
            self.end(detail)
            try:
                await self.ws.close()
            finally:  # cancelled once more, as a dying loop does: no good-bye, but no open socket either
                self.ws.transport.abort()

    def _take(self, frame: bytes) -> None:
        """Read one frame."""
        raise AssertionError("a subclass reads the frames")

    def end(self, detail: str) -> None:
        """Say that it is over (the first time only) and let the reader close the connection."""
        if self.ended is not None:
            return
        self.ended = detail
        self.ws_state = WSListenerState.EXITING
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()
        self._on_end(detail)

    async def close(self) -> None:
        """End it if it has not ended, and wait until socket and task are gone. Idempotent."""
        self.end("closed by us")
        if self._reader is not None and self._reader is not asyncio.current_task():
            await asyncio.wait([self._reader])

    async def __aexit__(self, *_exception: Any) -> None:
        await self.close()
