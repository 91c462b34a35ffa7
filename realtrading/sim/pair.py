"""All the exchange knows about one symbol: rules, book, past, and every order and fill by account."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from .book import Book
from .history import History
from .numbers import ZERO
from .orders import NOT_IN_A_LIST, Fill, Order
from .rules import SymbolRules

_FIRST_ID = 1
_EXECUTION_GAP = 2


class Pair:
    """One symbol. Order, trade and prevented-match ids start at the same value on every symbol on purpose:
    they are unique per symbol only, and clients that forget it must be caught.

    `stops` are the orders that wait for a price, `moved` the prices traded at and `stirred` the list orders changed since
    the aftermath was last run.
    """

    def __init__(self, rules: SymbolRules) -> None:
        self.rules = rules
        self.book = Book()
        self.history = History()
        self.orders: dict[int, Order] = {}
        self.by_account: dict[int, list[Order]] = {}
        self.open: dict[int, dict[int, Order]] = {}
        self.by_client: dict[tuple[int, str], Order] = {}
        self.fills: dict[int, list[Fill]] = {}
        self.last_order_id = _FIRST_ID - 1
        self.last_trade_id = _FIRST_ID - 1
        self.last_match_id = _FIRST_ID - 1
        self.stops: dict[int, Order] = {}
        self.moved: deque[Decimal] = deque()
        self.stirred: deque[Order] = deque()
        self._execution_id = _FIRST_ID
        self.shown_touch: tuple[object, object] | None = None

    def take_order_id(self) -> int:
        """The next order id."""
        self.last_order_id += 1
        return self.last_order_id

    def take_trade_id(self) -> int:
        """The next trade id."""
        self.last_trade_id += 1
        return self.last_trade_id

    def take_match_id(self) -> int:
        """The next prevented-match id."""
        self.last_match_id += 1
        return self.last_match_id

    def take_execution_id(self) -> int:
        """The next execution id; rising, with gaps."""
        self._execution_id += _EXECUTION_GAP
        return self._execution_id

    def admit(self, order: Order) -> None:
        """Register a new order as open."""
        self.orders[order.order_id] = order
        self.by_account.setdefault(order.uid, []).append(order)
        self.open.setdefault(order.uid, {})[order.order_id] = order
        self.by_client[order.uid, order.client_id] = order

    def close(self, order: Order) -> None:
        """The order is no longer open."""
        del self.open[order.uid][order.order_id]
        self.stops.pop(order.order_id, None)
        if order.list_id != NOT_IN_A_LIST:
            self.stirred.append(order)

    def spent(self, order: Order) -> str:
        """The asset that the order gives away."""
        return self.rules.quote if order.is_buy else self.rules.base

    def open_of(self, uid: int) -> list[Order]:
        """The account's open orders, oldest first."""
        return list(self.open.get(uid, {}).values())

    def rename(self, order: Order, client_id: str, *, keep_old: bool) -> None:
        """Give the order the client id of its cancel; `keep_old` decides whether the old one still finds it."""
        if not keep_old:
            del self.by_client[order.uid, order.client_id]
        order.client_id = client_id
        holder = self.by_client.get((order.uid, client_id))
        if holder is None or not holder.is_live:
            self.by_client[order.uid, client_id] = order

    def average_price(self, now_ms: int) -> Decimal:
        """The price by which notionals are judged; zero while nobody knows one."""
        average = self.history.average(self.rules.avg_price_mins, now_ms)
        return ZERO if average is None else average
