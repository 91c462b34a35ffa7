"""Public market streams: who listens to what, the control frames, and sending each payload to its listeners."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from attrs import define, field

from .clock import SimClock
from .connections import Connection
from .exchange import Exchange
from .market_payloads import Timed, timed_stream

TICK_S = 0.1
STREAMS_MAX = 1024
INCOMING_PER_S = 5
_VARIANTS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


class _Refused(Exception):
    """A control frame that cannot be used: Binance's code and text."""


@define(eq=False)
class Listener:
    """One connection and the streams it wants; `combined` wraps each payload as {"stream", "data"}."""

    connection: Connection
    combined: bool
    streams: dict[str, None] = field(factory=dict)
    received: deque[float] = field(factory=lambda: deque(maxlen=INCOMING_PER_S))

    def too_fast(self) -> bool:
        """Note one incoming message; is it the sixth within a second?"""
        now_s = time.monotonic()
        full = len(self.received) == INCOMING_PER_S and now_s - self.received[0] < 1.0
        self.received.append(now_s)
        return full


class MarketStreams:
    """Serves /ws, /ws/<stream> and /stream, and passes on what happens in the market."""

    def __init__(self, exchange: Exchange, clock: SimClock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._listeners: list[Listener] = []
        self._timed: dict[str, Timed] = {}
        self._silent_until_s = 0.0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        connection = Connection(request)
        listener = Listener(connection, combined=request.path.startswith("/stream"))
        names = _names(request)
        if len(names) > STREAMS_MAX:
            return web.Response(status=400, text="Too many streams")
        self._subscribe(listener, names)
        self._listeners.append(listener)
        try:
            return await connection.serve(lambda text: self._frame(listener, text))
        finally:
            self._listeners.remove(listener)

    def publish(self, symbol: str, event: dict[str, Any]) -> None:
        """Send one market event ({"kind", "data"}) to those who listen to it."""
        self._send(f"{symbol.lower()}@{event['kind']}", event["data"])

    async def run(self) -> None:
        """Let the timed streams speak, for ever."""
        while True:
            await asyncio.sleep(TICK_S)
            self._speak()

    def cut(self, *, close_frame: bool) -> int:
        """End every connection; returns how many."""
        for each in self._listeners:
            each.connection.close() if close_frame else each.connection.abort()
        return len(self._listeners)

    def silence(self, ms: int) -> None:
        """For so long payloads are lost while the connections stay up."""
        self._silent_until_s = time.monotonic() + ms / 1000

    def announce_shutdown(self) -> None:
        """Tell every connection that the server is about to go away."""
        event = {"e": "serverShutdown", "E": self._clock.now_ms()}
        for each in self._listeners:
            each.connection.send(_dump({"stream": "!serverShutdown", "data": event} if each.combined else event))

    def count(self) -> int:
        """How many connections there are."""
        return len(self._listeners)

    def _speak(self) -> None:
        wanted = {name for each in self._listeners for name in each.streams}
        self._timed = {name: timed for name, timed in self._timed.items() if name in wanted}
        mono_ms = time.monotonic_ns() // 1_000_000
        for name, timed in self._timed.items():
            if mono_ms >= timed.due_ms:
                timed.due_ms = mono_ms + timed.every_ms
                payload = timed.speak(self._clock.now_ms())
                if payload is not None:
                    self._send(name, payload)

    def _send(self, name: str, payload: Any) -> None:
        listeners = [each for each in self._listeners if name in each.streams]
        if not listeners or time.monotonic() < self._silent_until_s:
            return
        raw = _dump(payload)
        combined = f'{{"stream":{json.dumps(name)},"data":{raw}}}'
        for each in listeners:
            each.connection.send(combined if each.combined else raw)

    def _subscribe(self, listener: Listener, names: list[str]) -> None:
        for name in names:
            listener.streams[name] = None
            if name not in self._timed:
                timed = timed_stream(self._exchange, name)
                if timed is not None:
                    self._timed[name] = timed

    async def _frame(self, listener: Listener, text: str) -> None:
        if listener.too_fast():
            listener.connection.close()
            return
        frame_id: Any = None
        try:
            try:
                frame = json.loads(text)
            except (ValueError, RecursionError):
                raise _Refused(3, "Invalid JSON: expected value at line 1 column 1") from None
            frame_id = _id_of(frame)
            reply = {"result": self._obey(listener, frame), "id": frame_id}
        except _Refused as refusal:
            code, msg = refusal.args
            reply = {"error": {"code": code, "msg": msg}, "id": frame_id}
        listener.connection.send(_dump(reply))

    def _obey(self, listener: Listener, frame: dict[str, Any]) -> Any:
        method, params = frame.get("method"), frame.get("params", [])
        if method is None:
            raise _Refused(2, "Invalid request: missing field `method` at line 1 column 1")
        if not isinstance(params, list):
            raise _Refused(2, "Invalid request: params must be a list")
        if method == "LIST_SUBSCRIPTIONS":
            return list(listener.streams)
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return self._change(listener, params, subscribe=method == "SUBSCRIBE")
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return _property(listener, params, change=method == "SET_PROPERTY")
        shown = method if isinstance(method, str) else _dump(method)
        raise _Refused(2, f"Invalid request: unknown variant {shown}, expected one of {_VARIANTS}")

    def _change(self, listener: Listener, params: list[Any], *, subscribe: bool) -> None:
        if not all(isinstance(each, str) for each in params):
            raise _Refused(2, "Invalid request: stream names must be strings")
        if subscribe and len(listener.streams.keys() | set(params)) > STREAMS_MAX:
            raise _Refused(2, f"Invalid request: more than {STREAMS_MAX} streams")
        if subscribe:
            self._subscribe(listener, params)
        for name in () if subscribe else params:
            listener.streams.pop(name, None)


def _names(request: web.Request) -> list[str]:
    path, _, query = request.raw_path.partition("?")
    if request.path.startswith("/stream"):
        pairs = [each.partition("=") for each in query.split("&")]
        text = "/".join(value for name, _, value in pairs if name == "streams")
    else:
        text = path.removeprefix("/ws")
    return [unquote(each) for each in text.split("/") if each]


def _id_of(frame: Any) -> Any:
    if not isinstance(frame, dict):
        raise _Refused(2, "Invalid request: expected an object")
    frame_id = frame.get("id")
    unsigned = type(frame_id) is int and frame_id >= 0
    short = isinstance(frame_id, str) and len(frame_id) <= 36
    if frame_id is None or unsigned or short:
        return frame_id
    raise _Refused(2, "Invalid request: request ID must be an unsigned integer")


def _property(listener: Listener, params: list[Any], *, change: bool) -> Any:
    if not params or not isinstance(params[0], str):
        raise _Refused(2, "Invalid request: property name must be a string")
    if params[0] != "combined":
        raise _Refused(0, "Unknown property")
    if not change:
        return listener.combined
    if len(params) < 2 or not isinstance(params[1], bool):
        raise _Refused(1, "Invalid value type: expected Boolean")
    listener.combined = params[1]
    return None


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
