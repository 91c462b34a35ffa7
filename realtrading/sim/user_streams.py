"""User data streams: who is subscribed, and the delivery of account events through the scripted event faults."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from .clock import SimClock
from .connections import Connection
from .errors import BinanceError
from .faults import FaultBook, Stage, Subject

REORDER_FLUSH_MS = 500


@define
class Subscriber:
    """One connection's subscriptions: subscription id → account uid. Ids count up and are never used again."""

    connection: Connection
    accounts: dict[int, int] = field(factory=dict)
    next_id: int = 0

    def subscribe(self, uid: int) -> int:
        """Subscribe this connection to an account; raises -2035 when it already is."""
        if uid in self.accounts.values():
            raise BinanceError(-2035, "User Data Stream subscription already active.")
        self.accounts[self.next_id] = uid
        self.next_id += 1
        return self.next_id - 1

    def unsubscribe(self, subscription_id: int) -> None:
        """End one subscription; raises -2036 when there is none of this id."""
        if self.accounts.pop(subscription_id, None) is None:
            raise BinanceError(-2036, "User Data Stream subscription not active.")


class UserStreams:
    """Sends every event of an account to all who subscribed to it."""

    def __init__(self, clock: SimClock, faults: FaultBook) -> None:
        self._clock = clock
        self._faults = faults
        self._subscribers: list[Subscriber] = []
        self._held: dict[int, list[Mapping[str, Any]]] = {}
        self._silent_until_s = 0.0

    def add(self, subscriber: Subscriber) -> None:
        """A WebSocket API connection opened."""
        self._subscribers.append(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        """It ended, and its subscriptions with it."""
        self._subscribers.remove(subscriber)

    def count(self) -> int:
        """How many subscriptions are active."""
        return sum(len(each.accounts) for each in self._subscribers)

    def publish(self, uid: int, event: Mapping[str, Any]) -> None:
        """Deliver one event, or do to it what a fault says."""
        subject = Subject(
            kind="event", event=str(event.get("e", "")), symbol=str(event.get("s", "")),
            client_order_id=str(event.get("C") or event.get("c") or ""), execution=str(event.get("x", "")),
        )  # fmt: skip
        actions = {each.action: each for each in self._faults.take(Stage.EVENT, subject, 0, self._clock.now_ms())}
        if "drop_event" in actions:
            return
        if "corrupt_event" in actions:
            event = _corrupted(event, actions["corrupt_event"].params)
        if "reorder_events" in actions:
            self._held.setdefault(uid, []).append(event)
            wait_ms = actions["reorder_events"].params.get("ms", REORDER_FLUSH_MS)
            asyncio.get_running_loop().call_later(wait_ms / 1000, self._flush, uid)
            return
        if "delay_event" in actions:
            wait_s = actions["delay_event"].params["ms"] / 1000
            asyncio.get_running_loop().call_later(wait_s, self._deliver, uid, event)
        else:
            self._deliver(uid, event)
        if "duplicate_event" in actions:
            for _ in range(actions["duplicate_event"].params.get("times", 1)):
                self._deliver(uid, event)
        self._flush(uid)

    def terminate(self, subscriber: Subscriber, subscription_id: int | None) -> None:
        """Unsubscribe one id (or all, None) and say `eventStreamTerminated` for each; raises -2036."""
        ids = list(subscriber.accounts) if subscription_id is None else [subscription_id]
        for each in ids:
            subscriber.unsubscribe(each)
            event = {"e": "eventStreamTerminated", "E": self._clock.now_ms()}
            subscriber.connection.send(_dump({"subscriptionId": each, "event": event}))

    def announce_shutdown(self) -> None:
        """Tell every connection that the server is about to go away."""
        self.send({"event": {"e": "serverShutdown", "E": self._clock.now_ms()}})

    def send(self, frame: Mapping[str, Any] | str, times: int = 1) -> int:
        """Send a frame (a text as it is) so often to every connection, subscribed or not; returns how many there are."""
        text = frame if isinstance(frame, str) else _dump(frame)
        for each in self._subscribers:
            for _ in range(times):
                each.connection.send(text)
        return len(self._subscribers)

    def forget(self) -> int:
        """Drop every subscription without a word, while the connections stay up; returns how many there were."""
        forgotten = self.count()
        for each in self._subscribers:
            each.accounts.clear()
        return forgotten

    def freeze(self) -> int:
        """Let every connection hang half-open: nothing is said, heard or closed on it; returns how many."""
        for each in self._subscribers:
            each.connection.freeze()
        return len(self._subscribers)

    def cut(self, *, close_frame: bool) -> int:
        """End every connection that has a subscription; returns how many."""
        hit = [each.connection for each in self._subscribers if each.accounts]
        for connection in hit:
            connection.close() if close_frame else connection.abort()
        return len(hit)

    def silence(self, ms: int) -> None:
        """For so long events are lost while the connections stay up."""
        self._silent_until_s = time.monotonic() + ms / 1000

    def _flush(self, uid: int) -> None:
        for event in self._held.pop(uid, ()):
            self._deliver(uid, event)

    def _deliver(self, uid: int, event: Mapping[str, Any]) -> None:
        if time.monotonic() < self._silent_until_s:
            return
        for each in self._subscribers:
            for subscription_id, account in each.accounts.items():
                if account == uid:
                    each.connection.send(_dump({"subscriptionId": subscription_id, "event": event}))


def _corrupted(event: Mapping[str, Any], params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The event with fields replaced (`set`), left out (`drop`) or written as any text, JSON or not (`raw`)."""
    changed = {**event, **params.get("set", {})}
    kept = {name: value for name, value in changed.items() if name not in params.get("drop", ())}
    return _Raw(kept, raw=params.get("raw", {}))


class _Raw(dict[str, Any]):
    """An event some of whose values are not JSON: they are written as they are."""

    def __init__(self, fields: Mapping[str, Any], raw: Mapping[str, str]) -> None:
        super().__init__(fields)
        self.raw = raw


def _dump(value: Any) -> str:
    event = value.get("event")
    if isinstance(event, _Raw):
        pairs = [f"{json.dumps(name)}:{event.raw.get(name) or json.dumps(told)}" for name, told in event.items()]
        return f'{{"subscriptionId":{value["subscriptionId"]},"event":{{{",".join(pairs)}}}}}'
    return json.dumps(value, separators=(",", ":"))
