"""One WebSocket connection of a client: ordered outgoing frames, pings, polite and rude endings."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

PING_EVERY_S = 20.0
PONG_WITHIN_S = 60.0
OUTGOING_MAX = 20_000
INCOMING_MAX_BYTES = 1 << 20
_CLOSE = object()


class Connection:
    """Frames go out in the order they were sent; a client that does not read is dropped, never waited for."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._socket = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=INCOMING_MAX_BYTES, timeout=1.0
        )
        self._outgoing: asyncio.Queue[Any] = asyncio.Queue(OUTGOING_MAX)
        self._last_pong = time.monotonic()
        self._gather_until = 0.0
        self._corked = False
        self._frozen = False
        self._running: set[asyncio.Task[None]] = set()
        self.peer = request.remote or ""

    async def serve(self, on_text: Callable[[str], Awaitable[None]]) -> web.WebSocketResponse:
        """Shake hands, then hand every text frame to `on_text` until either side ends the connection."""
        await self._socket.prepare(self._request)
        helpers = [asyncio.create_task(self._write()), asyncio.create_task(self._ping())]
        try:
            await self._read(on_text)
        finally:
            for each in helpers:
                each.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        return self._socket

    def send(self, text: str) -> None:
        """Queue one text frame."""
        try:
            if not self._frozen:
                self._outgoing.put_nowait(text)
        except asyncio.QueueFull:
            self.abort()

    def start(self, reply: Coroutine[Any, Any, None]) -> None:
        """Work on a request beside the others; it is carried out even when the client leaves meanwhile."""
        task = asyncio.get_running_loop().create_task(reply)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def gather(self, ms: int) -> None:
        """Keep frames back for so long, then send all of them in one piece."""
        self._gather_until = time.monotonic() + ms / 1000

    def freeze(self) -> None:
        """Hang half-open from now on: nothing is said or heard, and nothing is closed."""
        self._frozen = True

    def close(self) -> None:
        """End politely: what is queued, then a close frame."""
        with contextlib.suppress(asyncio.QueueFull):
            self._outgoing.put_nowait(_CLOSE)

    def abort(self) -> None:
        """Cut the TCP connection now, without a close frame."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _read(self, on_text: Callable[[str], Awaitable[None]]) -> None:
        while True:
            message = await self._socket.receive()
            if self._frozen and message.type in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG):
                continue
            if message.type is WSMsgType.TEXT:
                await on_text(message.data)
            elif message.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await self._socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._last_pong = time.monotonic()
            elif message.type is WSMsgType.BINARY:
                await self._socket.close(code=WSCloseCode.UNSUPPORTED_DATA)
            else:
                return

    async def _write(self) -> None:
        while True:
            frames = [await self._outgoing.get()]
            wait_s = self._gather_until - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
                while not self._outgoing.empty():
                    frames.append(self._outgoing.get_nowait())
            self._cork(len(frames) > 1)
            for frame in frames:
                with contextlib.suppress(ConnectionError):
                    if frame is _CLOSE:
                        await self._socket.close(code=WSCloseCode.GOING_AWAY)
                        return
                    await self._socket.send_str(frame)
            self._cork(False)

    def _cork(self, on: bool) -> None:
        """Let the kernel collect what is written until it is uncorked."""
        transport = self._request.transport
        raw = None if transport is None else transport.get_extra_info("socket")
        if raw is not None and on != self._corked:
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, int(on))
            self._corked = on

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            if self._frozen:
                continue
            if time.monotonic() - self._last_pong > PONG_WITHIN_S:
                self.abort()
                return
            with contextlib.suppress(ConnectionError):
                await self._socket.ping(str(time.time_ns() // 1_000_000).encode())
