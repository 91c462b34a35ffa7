"""Rules by which Hypothesis makes orders live and lets the house hear of it: any evidence, any order, any number of times.

`Exchange` is the truth: what really became of each order. The house hears of it in pieces (answers, stream reports,
queries, trade lists, flows), or never; `House` says what must hold after each of them.
"""
from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from order_factories import an_order
from order_house import House, Told
from order_truth import ASSETS, STEP, SYMBOLS, TrueOrder
from realtrading.domain import balances, orders, positions
from realtrading.domain.orders import ABSENCE_MARGIN_S, RECV_WINDOW_S, STATE_OF_STATUS, OrderState
from realtrading.domain.values import Side

ORDERS_MAX = 8
FEES = st.sampled_from(("base", "quote", "BNB"))
PRICES = (Decimal("99.97"), Decimal("100"), Decimal("101.13"))
ENGINE_S = 10
"""So long a placement that arrived in time may wait before the exchange takes it."""
LAG_S = 4
"""So long the exchange's queries may lag behind it; engine and lag together stay below the margin of the proof."""


class Machine(House):
    """Any evidence, any order, any number of times."""

    @initialize()
    def begin(self) -> None:
        """Two orders live already, and one is on its way."""
        for side in Side:
            self.submit("BTCUSDT", side, 4, True)
        self.submit("BTCUSDT", Side.BUY, 1, False)

    # -- choices ------------------------------------------------------------------

    def living(self) -> list[TrueOrder]:
        """Orders the exchange has taken and not ended."""
        return [each for each in self.exchange.orders.values() if each.status in ("NEW", "PARTIALLY_FILLED")]

    def known(self) -> list[TrueOrder]:
        """Orders the exchange knows and the house has not archived."""
        return [each for each in self.exchange.orders.values() if each.status and each.id in self.orders]

    def pick(self, data: st.DataObject, choices: list[Any]) -> Any:
        return choices[data.draw(st.integers(0, len(choices) - 1))]

    # -- what happens at the exchange -----------------------------------------------

    @precondition(lambda self: len(self.exchange.orders) < ORDERS_MAX)
    @rule(symbol=st.sampled_from(sorted(SYMBOLS)), side=st.sampled_from(Side), lots=st.integers(1, 6), arrives=st.booleans())
    def submit(self, symbol: str, side: Side, lots: int, arrives: bool) -> None:
        """The house sends an order; it arrives at once, or whether it does is another rule's matter."""
        number = len(self.exchange.orders) + 1
        valid_until = self.exchange.now + timedelta(seconds=5)
        name, quantity = f"rt_1_grid_n{number}", lots * STEP
        self.exchange.orders[name] = TrueOrder(
            id=name, symbol=symbol, side=side, original=quantity, valid_until=valid_until, exchange_id=900 + number
        )
        self.orders[name] = an_order(side, str(quantity), id=name, symbol=symbol, valid_until=valid_until)
        self.told[name], self.looks[name] = Told(), []
        if arrives:
            self.take(self.exchange.orders[name], "NEW")

    def take(self, order: TrueOrder, status: str) -> None:
        """The exchange takes an order, or its engine refuses it, and says so."""
        order.status, order.accepted_at = status, self.exchange.now
        self.mail.append(self.exchange.report(order))

    @rule(seconds=st.integers(0, 9))
    def wait(self, seconds: int) -> None:
        """Time passes; so orders' trades may also carry the same moment."""
        self.exchange.seconds += seconds

    @precondition(lambda self: any(not each.status for each in self.exchange.orders.values()))
    @rule(data=st.data(), refuses=st.booleans())
    def arrive(self, data: st.DataObject, refuses: bool) -> None:
        """A placement that is still fresh enough is taken by the exchange, or refused by its engine."""
        waiting = [
            each
            for each in self.exchange.orders.values()
            if not each.status and self.exchange.now <= each.valid_until + timedelta(seconds=RECV_WINDOW_S + ENGINE_S)
        ]
        if waiting:
            self.take(self.pick(data, waiting), "REJECTED" if refuses else "NEW")

    @precondition(lambda self: self.living())
    @rule(
        data=st.data(), trades=st.lists(st.tuples(st.integers(1, 3), st.sampled_from(PRICES), FEES), min_size=1, max_size=3)
    )
    def fill(self, data: st.DataObject, trades: list[tuple[int, Decimal, str]]) -> None:
        """Trades; each of them may pay its fee in another asset than the one before."""
        order = self.pick(data, self.living())
        for lots, price, fee_in in trades:
            quantity = min(lots * STEP, order.original - order.executed)
            if quantity:
                made = self.exchange.trade(order, quantity, price, fee_in)
                order.status = "FILLED" if order.executed == order.original else "PARTIALLY_FILLED"
                self.mail.append(self.exchange.report(order, made))
                self.exchange.seconds += data.draw(st.integers(0, 1))

    @precondition(lambda self: self.living())
    @rule(data=st.data(), status=st.sampled_from(["CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"]))
    def end(self, data: st.DataObject, status: str) -> None:
        """It is cancelled, by whomever, or it expires."""
        order = self.pick(data, self.living())
        order.status = status
        self.mail.append(self.exchange.report(order))

    @precondition(lambda self: any(each.status in ("CANCELED", "EXPIRED") for each in self.known()))
    @rule(data=st.data(), price=st.sampled_from(PRICES), fee_in=FEES)
    def late_fill(self, data: st.DataObject, price: Decimal, fee_in: str) -> None:
        """A trade of an order whose cancel was already told."""
        over = [each for each in self.known() if each.status in ("CANCELED", "EXPIRED") and not each.settled]
        if over:
            order = self.pick(data, over)
            made = self.exchange.trade(order, STEP, price, fee_in)
            order.status = "FILLED" if order.executed >= order.original else order.status
            self.mail.append(self.exchange.report(order, made))

    @precondition(lambda self: any(each.status == "FILLED" for each in self.known()))
    @rule(data=st.data(), price=st.sampled_from(PRICES))
    def over_fill(self, data: st.DataObject, price: Decimal) -> None:
        """The exchange executes more than was asked for."""
        full = [each for each in self.known() if each.status == "FILLED" and not each.settled]
        if full:
            order = self.pick(data, full)
            self.mail.append(self.exchange.report(order, self.exchange.trade(order, STEP, price, "quote")))

    @rule(amount=st.integers(-3, 3).filter(bool), asset=st.sampled_from(ASSETS), foreign=st.booleans())
    def move(self, amount: int, asset: str, foreign: bool) -> None:
        """A deposit, a withdrawal, or a trade of somebody else's order."""
        name = f"{'trade' if foreign else 'flow'}:{len(self.flows)}"
        self.flows[name] = (asset, amount * STEP, "external_trade" if foreign else "deposit" if amount > 0 else "withdrawal")
        self.exchange.wallet[asset] += amount * STEP

    # -- what the house hears -----------------------------------------------------------

    @precondition(lambda self: self.mail)
    @rule(data=st.data(), times=st.integers(1, 2))
    def stream(self, data: st.DataObject, times: int) -> None:
        """A report comes: not the oldest, perhaps a repetition of one that came, perhaps never again."""
        report = self.pick(data, self.mail)
        for _ in range(times):
            self.hear(report)

    @precondition(lambda self: self.known())
    @rule(data=st.data(), with_trades=st.booleans())
    def answer(self, data: st.DataObject, with_trades: bool) -> None:
        """A placement's answer or a query tells the order as it is, with its trades or without."""
        order = self.pick(data, self.known())
        self.hear(self.exchange.report(order, *(order.trades if with_trades else ())))

    @precondition(lambda self: any(each.trades for each in self.known()))
    @rule(data=st.data())
    def trade_list(self, data: st.DataObject) -> None:
        """Some of the account's trades are read, of all orders at once, gaps and repetitions included."""
        made = [trade for each in self.known() for trade in each.trades]
        some = data.draw(st.lists(st.sampled_from(range(len(made))), min_size=1, max_size=6))
        self.hear_trades([made[index] for index in some])

    @precondition(lambda self: self.flows)
    @rule(data=st.data(), times=st.integers(1, 2))
    def flow(self, data: st.DataObject, times: int) -> None:
        """A movement that was no trade of ours is told, perhaps again."""
        name = self.pick(data, list(self.flows))
        asset, amount, kind = self.flows[name]
        self.heard_flows.add(name)
        for _ in range(times):
            self.lines[asset] = balances.with_flow(self.lines[asset], kind, name, amount)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def doubt(self, data: st.DataObject) -> None:
        """The house hears nothing for too long: nobody knows."""
        order = self.pick(data, list(self.orders.values()))
        if order.state in (OrderState.PENDING, OrderState.NEW, OrderState.PARTIALLY_FILLED):
            self.orders[order.id] = order.moved(OrderState.UNKNOWN, self.exchange.now)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def refused_wrongly(self, data: st.DataObject) -> None:
        """The house concluded a refusal that may be wrong: what comes later has to undo it."""
        order = self.pick(data, list(self.orders.values()))
        if order.state in (OrderState.PENDING, OrderState.UNKNOWN) and order.exchange_order_id is None:
            self.orders[order.id] = order.moved(OrderState.REJECTED, self.exchange.now, "VENUE_REJECTED")

    @precondition(lambda self: any(order.exchange_order_id is None for order in self.orders.values()))
    @rule(
        data=st.data(),
        looks=st.lists(st.tuples(st.sampled_from([0, 1, 5, 9]), st.sampled_from([False, False, None])), min_size=1, max_size=4),
    )
    def look(self, data: st.DataObject, looks: list[tuple[int, bool | None]]) -> None:
        """Queries say "does not exist", as they may for as long as they lag; the proof must never be wrong, nor early."""
        order = self.pick(data, [each for each in self.orders.values() if each.exchange_order_id is None])
        truth = self.true(order)
        provable = truth.valid_until + timedelta(seconds=RECV_WINDOW_S + ABSENCE_MARGIN_S)
        for pause_s, in_history in looks:
            self.exchange.seconds += pause_s
            seen = truth.accepted_at is not None and self.exchange.now >= truth.accepted_at + timedelta(seconds=LAG_S)
            if seen or order.is_terminal():
                return
            self.looks[order.id].append((self.exchange.now, in_history))
            if orders.absence_proved(order, self.looks[order.id], self.exchange.now):
                assert not truth.status, f"{order.id} was declared absent, and it is {truth.status}"
                assert self.exchange.now >= provable
                self.reached["absence"] += 1
                order = self.orders[order.id] = order.moved(OrderState.REJECTED, self.exchange.now, "VENUE_ABSENT")

    @precondition(lambda self: any(order.is_terminal() for order in self.orders.values()))
    @rule(data=st.data())
    def archived(self, data: st.DataObject) -> None:
        """An order that is over and wholly accounted for leaves the tables; its effects stay."""
        over = [
            each
            for each in self.orders.values()
            if each.is_terminal() and {fill.trade_id for fill in each.fills} == {t.trade_id for t in self.true(each).trades}
            and self.true(each).status not in ("", "NEW", "PARTIALLY_FILLED")
        ]
        if over:
            order = self.pick(data, over)
            self.true(order).settled = True
            self.reached["archived"] += 1
            self.archive[order.id] = self.orders.pop(order.id)
            self.books[order.symbol] = positions.settle(self.books[order.symbol], [order.id])
            for asset, line in self.lines.items():
                self.lines[asset] = balances.settle(line, order.id)

    @rule()
    def settle_down(self) -> None:
        """Everything there is to know is told at last: house and exchange agree to the last digit."""
        self.exchange.seconds += 1
        for truth in self.known():
            self.hear(self.exchange.report(truth))
        self.hear_trades([trade for truth in self.known() for trade in truth.trades])
        for name, (asset, amount, kind) in self.flows.items():
            self.heard_flows.add(name)
            self.lines[asset] = balances.with_flow(self.lines[asset], kind, name, amount)
        for truth in self.known():
            order = self.orders[truth.id]
            assert (order.state, order.executed_quantity) == (STATE_OF_STATUS[truth.status], truth.executed)
            assert [fill.trade_id for fill in order.fills] == [trade.trade_id for trade in truth.trades]
            assert order.missing_quantity == 0
        assert {asset: line.total for asset, line in self.lines.items()} == self.exchange.wallet
        self.reached["agreed"] += 1
