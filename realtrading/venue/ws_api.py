"""The WebSocket API connection.

Answers go to who asked, events to their subscription, and nothing can kill the reader unheard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from binance.ws.websocket_api import WebsocketAPI

from .answers import Answer, Failure, error_of
from .fields import Unreadable, read_event, record
from .limits import Limits
from .sockets import OneConnection

ANSWER_TIMEOUT_S = 12.0
EARLY_EVENTS_MAX = 10_000


class GatewayWsApi(OneConnection, WebsocketAPI):  # type: ignore[misc]  # the library is untyped
    """One connection of one generation. `request` never raises for the venue's sake; it returns an `Answer`.

    Events that come before their subscription's answer was handled are kept and delivered first (in the library they
    are lost on CPython 3.12 and later). `on_oddity(kind)` counts what nobody asked for;
    `on_unreadable(why, frame)` hears of each frame that cannot be read.
    """

    def __init__(self, url: str, *, limits: Limits, on_oddity: Callable[[str], None]) -> None:
        super().__init__(url=url)
        self._limits = limits
        self._on_oddity = on_oddity
        self._sinks: dict[int, Callable[[object], None]] = {}
        self._early: dict[int, list[object]] = {}
        self._connection_wide: Callable[[object], None] = lambda event: None
        self.on_unreadable: Callable[[str, bytes], None] = lambda detail, frame: None
        self.watch(lambda detail: None)

    def open_for(self, on_event: Callable[[object], None], on_end: Callable[[str], None]) -> None:
        """Who hears events that belong to no subscription (`serverShutdown`), and who hears of the end."""
        self._connection_wide = on_event
        self.watch(on_end)

    def attach(self, subscription_id: int, sink: Callable[[object], None]) -> None:
        """Deliver this subscription's events to `sink`, those that came early at once."""
        self._sinks[subscription_id] = sink
        for event in self._early.pop(subscription_id, []):
            sink(event)

    async def request(self, id: str, payload: Mapping[str, Any]) -> Answer:
        """Send one request and wait for its answer; LOST when the connection ends or is silent meanwhile."""
        if self.ws is None or self.ended is not None:
            return Answer(status=0, failure=Failure.CLOSED)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._responses[id] = future
        try:
            await self.ws.send(self.json_dumps(payload))
            return await asyncio.wait_for(future, ANSWER_TIMEOUT_S)
        except Exception as error:
            return Answer(status=0, failure=Failure.LOST, message=type(error).__name__)
        finally:
            self._responses.pop(id, None)

    def end(self, detail: str) -> None:
        """As `OneConnection.end`; whoever still waits for an answer hears at once that none will come."""
        for future in self._responses.values():
            if not future.done():
                future.set_result(Answer(status=0, failure=Failure.LOST, message="connection ended"))
        super().end(detail)

    def _take(self, frame: bytes) -> None:
        try:
            message = record(read_event(frame), "the frame")
        except Unreadable as error:
            self._on_oddity("malformed_frame")
            self.on_unreadable(str(error), frame)
            return
        if "event" in message:
            self._event(message.get("subscriptionId"), message["event"])
        elif "id" in message and "status" in message:
            self._reply(message)
        else:
            self._connection_wide(message)

    def _event(self, subscription_id: object, event: object) -> None:
        if type(subscription_id) is not int:
            self._connection_wide(event)
        elif subscription_id in self._sinks:
            self._sinks[subscription_id](event)
        elif self._sinks:
            self._on_oddity("stray_event")
        else:
            early = self._early.setdefault(subscription_id, [])
            early.append(event)
            if len(early) > EARLY_EVENTS_MAX:
                self.end(f"more than {EARLY_EVENTS_MAX} events before the subscription's answer")

    def _reply(self, message: Mapping[str, Any]) -> None:
        self._limits.note_counts(message.get("rateLimits"))
        answer = _answer_in(message)
        self._limits.note_answer(answer)
        future = self._responses.get(message["id"]) if isinstance(message["id"], str) else None
        if future is not None and not future.done():
            future.set_result(answer)
            return
        self._on_oddity("stray_reply")
        if message["id"] is None and not answer.ok:
            # an error about the connection itself, such as a revoked key: what it carried cannot be trusted any more
            self.end(f"the venue said {answer}")


def _answer_in(message: Mapping[str, Any]) -> Answer:
    status = message["status"] if type(message["status"]) is int else 0
    if 200 <= status < 300:
        return Answer(status=status, payload=message.get("result"))
    error = message.get("error")
    code, words = error_of(error)
    data = error.get("data") if isinstance(error, dict) else None
    retry_at = data.get("retryAfter") if isinstance(data, dict) else None
    return Answer(
        status=status,
        code=code,
        message=words,
        retry_at_ms=retry_at if type(retry_at) is int and 0 < retry_at < 10**14 else None,
    )
