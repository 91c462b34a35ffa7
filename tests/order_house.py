"""Orders, positions and ledger put together as the keepers do it, beside a model that only counts what was told."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

import attrs
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from order_truth import ASSETS, OPENED, SYMBOLS, Exchange, TrueOrder
from realtrading.domain import balances, order_merge, positions
from realtrading.domain.balances import LedgerLine
from realtrading.domain.orders import TERMINAL, Merged, MergeKind, OrderState, RealOrder
from realtrading.domain.positions import PositionBook
from realtrading.domain.reports import ExecutionReport, TradeReport
from realtrading.domain.values import ZERO, Side


@attrs.define
class Told:
    """The naive model: which trades and quantities about an order have reached the house."""

    trades: dict[int, TradeReport] = attrs.field(factory=dict)
    executed: Decimal = ZERO


class House(RuleBasedStateMachine):
    """What the house holds, how evidence enters, and what must hold after every step. Rules are the subclass's.

    `reached` counts, over all machines, what ordinary schedules do not come to.
    """

    reached: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.exchange = Exchange()
        self.orders: dict[str, RealOrder] = {}
        self.archive: dict[str, RealOrder] = {}
        self.told: dict[str, Told] = {}
        self.looks: dict[str, list[tuple[datetime, bool | None]]] = {}
        self.books: dict[str, PositionBook] = {}
        self.lines: dict[str, LedgerLine] = {}
        self.flows: dict[str, tuple[str, Decimal, str]] = {}
        self.heard_flows: set[str] = set()
        self.mail: list[ExecutionReport] = []
        self.behind: set[str] = set()

    @initialize()
    def open(self) -> None:
        """Books are empty, balances are opened with what the account holds."""
        for symbol, (base, quote) in SYMBOLS.items():
            self.books[symbol] = PositionBook(strategy="grid", symbol=symbol, base=base, quote=quote)
        for asset in ASSETS:
            self.lines[asset] = balances.opening(asset, OPENED, ZERO, self.exchange.now)

    # -- how the keepers put the domain together ------------------------------------------

    def true(self, order: RealOrder) -> TrueOrder:
        return self.exchange.orders[order.id]

    def hear(self, report: ExecutionReport) -> None:
        """Orders merges a report; one about an archived order is no news."""
        if report.client_id in self.orders:
            told = self.told[report.client_id]
            told.trades |= {trade.trade_id: trade for trade in report.trades}
            told.executed = max(told.executed, report.executed_quantity)
            order = self.orders[report.client_id]
            self.apply(order, order_merge.merge(order, report, self.exchange.now))
            again = order_merge.merge(self.orders[order.id], report, self.exchange.now)
            assert again.kind in (MergeKind.NOTHING, MergeKind.ASK), "the same report said something new again"
            assert again.order is self.orders[order.id]

    def hear_trades(self, trades: list[TradeReport]) -> None:
        """Orders merges trades that were read; before it knows the exchange's id it cannot tell whose they are."""
        for order in list(self.orders.values()):
            mine = [trade for trade in trades if trade.exchange_order_id == self.true(order).exchange_id]
            if order.exchange_order_id is not None:
                self.told[order.id].trades |= {trade.trade_id: trade for trade in mine}
            self.apply(order, order_merge.merge_trades(order, trades if mine else [], self.exchange.now))

    def apply(self, old: RealOrder, merged: Merged) -> None:
        """What a merge did: into the tables, then into position and ledger, and nothing may go back."""
        new = merged.order
        if merged.kind in (MergeKind.NOTHING, MergeKind.ASK):
            assert new is old
        assert new.executed_quantity >= old.executed_quantity, "G6: what is executed fell"
        assert new.cumulative_quote >= old.cumulative_quote
        if old.state in TERMINAL and new.state is not old.state:
            assert merged.kind is MergeKind.REVISED, f"G6: {old.state} became {new.state} without an alarm"
        if old.state in TERMINAL and new.executed_quantity > old.executed_quantity:
            assert merged.kind is MergeKind.REVISED, "more was executed after the end, without an alarm"
        if new.missing_quantity:
            assert merged.ask, "fills are missing and nobody asks"
        self.orders[new.id] = new
        self.reached[merged.kind.value] += 1
        self.reached["gap"] += new.missing_quantity > 0
        self.reached["over-fill"] += new.executed_quantity > new.original_quantity
        book, (base, quote) = self.books[new.symbol], SYMBOLS[new.symbol]
        if book.settled.leg is not None or book.settled.closed:
            kept = min((fill.key for fill in book.leg), default=None)
            if any(kept is None or (fill.timestamp, fill.trade_id) < kept for fill in merged.new_fills):
                self.behind.add(new.symbol)
        self.books[new.symbol] = positions.book_order(book, new, base, quote, self.exchange.now).book
        for asset in balances.effects(new, base, quote):
            self.lines[asset] = balances.line_with_order(self.lines[asset], new, base, quote)

    # -- what must hold at every moment ---------------------------------------------------

    def every_order(self) -> Iterator[RealOrder]:
        yield from self.orders.values()
        yield from self.archive.values()

    @invariant()
    def each_trade_is_booked_once(self) -> None:
        """G3: an order's fills are exactly the trades that were told; its quantity is the highest word about it."""
        for order in self.every_order():
            told = self.told[order.id]
            assert [fill.trade_id for fill in order.fills] == sorted(told.trades)
            known = sum((trade.quantity for trade in told.trades.values()), ZERO)
            assert order.executed_quantity == max(told.executed, known)

    @invariant()
    def a_state_has_its_evidence(self) -> None:
        """G6: filled means the quantity was told, new means none was, and the exchange's id is known to what it confirmed."""
        for order in self.every_order():
            if order.state is OrderState.FILLED:
                assert order.executed_quantity >= order.original_quantity
            if order.state is OrderState.NEW:
                assert order.executed_quantity == 0
            if order.state not in (OrderState.PENDING, OrderState.UNKNOWN, OrderState.REJECTED):
                assert order.exchange_order_id == self.true(order).exchange_id

    @invariant()
    def the_ledger_is_its_identity(self) -> None:
        """G4: balance = opening + Σ fills − fees ± flows, from what was told, by another way of adding."""
        expected, fees = dict.fromkeys(ASSETS, OPENED), dict.fromkeys(ASSETS, ZERO)
        for name in self.heard_flows:
            asset, amount, _ = self.flows[name]
            expected[asset] += amount
        for order in self.every_order():
            base, quote = SYMBOLS[order.symbol]
            for trade in self.told[order.id].trades.values():
                sign = 1 if order.side is Side.BUY else -1
                expected[base] += sign * trade.quantity
                expected[quote] -= sign * trade.price * trade.quantity
                expected[trade.commission_asset] -= trade.commission
                fees[trade.commission_asset] += trade.commission
        assert {asset: line.total for asset, line in self.lines.items()} == expected
        assert {asset: line.fees for asset, line in self.lines.items()} == fees

    @invariant()
    def a_position_is_a_function_of_its_fills(self) -> None:
        """G4: whatever order they came in, quantity and cash are the fills' sums, and the book is their refold."""
        for symbol, book in self.books.items():
            base, quote = SYMBOLS[symbol]
            mine = [order for order in self.every_order() if order.symbol == symbol]
            trades = [(order, trade) for order in mine for trade in self.told[order.id].trades.values()]
            quantity, cash = ZERO, ZERO
            for order, trade in trades:
                sign = 1 if order.side is Side.BUY else -1
                quantity += sign * trade.quantity - (trade.commission if trade.commission_asset == base else ZERO)
                cash -= sign * trade.price * trade.quantity + (trade.commission if trade.commission_asset == quote else ZERO)
            assert book.quantity == quantity
            invested = ZERO if book.position is None else book.cost if book.quantity > 0 else -book.cost
            assert book.realized_total == cash + invested
            if symbol in self.behind or len(trades) > 30:
                continue  # sums stay exact, only the split between two positions may differ
            fresh = PositionBook(strategy="grid", symbol=symbol, base=base, quote=quote)
            for order, trade in sorted(trades, key=lambda each: (each[1].venue_at, each[1].trade_id)):
                fills = tuple(fill for fill in order.fills if fill.trade_id == trade.trade_id)
                alone = attrs.evolve(order, fills=fills)
                fresh = positions.book_order(fresh, alone, base, quote, self.exchange.now).book
            for field in ("quantity", "cost", "realized_total", "commissions", "positions_closed"):
                assert getattr(book, field) == getattr(fresh, field), field

    @invariant()
    def every_number_is_exact(self) -> None:
        """G16: finite decimals everywhere, no float."""
        for value in (*self.orders.values(), *self.books.values(), *self.lines.values()):
            for number in numbers(value):
                assert isinstance(number, Decimal), type(number)
                assert number.is_finite()


def numbers(value: object) -> Iterator[object]:
    """All amounts inside a value: what is neither text, time, truth nor a whole number."""
    if attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            yield from numbers(getattr(value, field.name))
    elif isinstance(value, dict):
        for each in value.values():
            yield from numbers(each)
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, (float, Decimal)):
        yield value
