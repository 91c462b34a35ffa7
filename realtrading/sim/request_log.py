"""What the exchange saw: every request with its outcome, and per client order id how often it was asked to place."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from attrs import asdict, define

KEPT_MAX = 200_000


@define
class Entry:
    """One request. `status` is 0 while it runs and when no answer was given; times are epoch milliseconds; `weight` is what
    it was charged.
    """

    seq: int
    at_ms: int
    transport: str
    method: str
    path: str
    kind: str
    symbol: str
    client_order_id: str
    uid: int | None = None
    status: int = 0
    code: int = 0
    order_id: int | None = None
    executed: bool = False
    answered: bool = False
    weight: int = 0
    faults: tuple[str, ...] = ()


class RequestLog:
    """Every request in the order it arrived; counters by client order id are never forgotten."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT_MAX)
        self._places: Counter[str] = Counter()
        self._created: Counter[str] = Counter()
        self.seq = 0

    def open(self, *, at_ms: int, transport: str, method: str, path: str, kind: str, symbol: str,
             client_order_id: str) -> Entry:  # fmt: skip
        """Note a request that just arrived."""
        self.seq += 1
        entry = Entry(self.seq, at_ms, transport, method, path, kind, symbol, client_order_id)
        self._entries.append(entry)
        if kind == "place":
            self._places[client_order_id] += 1
        return entry

    def created(self, client_order_id: str) -> None:
        """Note that a place request made an order."""
        self._created[client_order_id] += 1

    def since(self, seq: int) -> list[dict[str, Any]]:
        """The requests after number `seq`, JSON-ready."""
        return [asdict(each) for each in self._entries if each.seq > seq]

    def by_client_id(self) -> dict[str, dict[str, int]]:
        """Per client order id: place requests seen (0 for a leg, which came with its list), orders created."""
        return {
            client_id: {"place_requests": self._places[client_id], "orders_created": self._created[client_id]}
            for client_id in {**self._places, **self._created}
        }
