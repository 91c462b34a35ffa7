"""The exchange's state and the few moves that change it: booking a fill, ending an order, telling who is concerned."""

from __future__ import annotations

import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import attrs

from . import errors, events
from .fees import FeeSchedule
from .ledger import HOUSE, Ledger
from .lists import OrderList
from .numbers import ZERO, reserve
from .orders import NOT_IN_A_LIST, Fill, Order, Prevention
from .pair import Pair
from .planted import PlantedLies
from .rules import SymbolRules

Json = dict[str, Any]
Event = tuple[str, Any, Json]
_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Core:
    """Accounts, symbols, and the list of events not yet taken."""

    def __init__(self, symbols: Iterable[SymbolRules], fee: FeeSchedule, seed: int) -> None:
        self.pairs = {rules.symbol: Pair(rules) for rules in symbols}
        self.ledger = Ledger()
        self.lists: dict[int, OrderList] = {}
        self._last_list_id = -1
        self.fee = fee
        self.lies = PlantedLies()
        self.events: list[Event] = []
        self._rng = random.Random(seed)
        self._touched: dict[int, dict[str, None]] = {}

    def pair(self, symbol: str) -> Pair:
        """The symbol's state. Raises -1121."""
        found = self.pairs.get(symbol)
        if found is None:
            raise errors.bad_symbol()
        return found

    def new_client_id(self) -> str:
        """A client id as Binance makes one when the client sent none."""
        return "".join(self._rng.choices(_ID_LETTERS, k=22))

    def take_list_id(self) -> int:
        """The next order list's id."""
        self._last_list_id += 1
        return self._last_list_id

    def touch(self, uid: int, *assets: str) -> None:
        """These assets of the account may have changed."""
        self._touched.setdefault(uid, {}).update(dict.fromkeys(assets))

    def settle_positions(self, now_ms: int) -> None:
        """Tell each touched account its balances; the last thing an operation does."""
        for uid, assets in self._touched.items():
            holder = self.ledger.accounts[uid]
            holder.updated_ms = now_ms
            balances = []
            for asset in assets:
                held = holder.balance(asset)
                balances.append((asset, self.lies.shown(uid, asset, held.free), held.locked))
            self.events.append(("user", uid, events.account_position(balances, now_ms, now_ms)))
        self._touched.clear()

    def report(self, pair: Pair, order: Order, execution: str, now_ms: int, **more: Any) -> Json:
        """Emit an executionReport and return it, for fields that only some executions carry."""
        report = events.execution_report(order, execution, pair.take_execution_id(), now_ms, **more)
        self.events.append(("user", order.uid, report))
        return report

    def tell_touch(self, pair: Pair) -> None:
        """Emit a bookTicker when the best price or quantity of either side changed."""
        touch = (pair.book.buys.best(), pair.book.sells.best())
        if touch != pair.shown_touch:
            pair.shown_touch = touch
            pair.book.update_id += 1
            data = events.book_ticker(pair.rules.symbol, pair.book.update_id, touch[0], touch[1])
            self.events.append(("market", pair.rules.symbol, {"kind": "bookTicker", "data": data}))

    def book_fill(
        self, pair: Pair, order: Order, price: Decimal, qty: Decimal, quote: Decimal, trade_id: int, now_ms: int,
        *, is_maker: bool,
    ) -> None:  # fmt: skip
        """Book one side of a trade: balances, fee, the order's totals, the report."""
        order.executed += qty
        order.quote_done += quote
        order.updated_ms = now_ms
        order.status = "PARTIALLY_FILLED" if order.remaining else "FILLED"
        self._pay(pair, order, qty, quote)
        fee, asset = self._charge(pair, order, price, qty, quote, is_maker=is_maker)
        fill = Fill(
            trade_id=trade_id, order_id=order.order_id, uid=order.uid, symbol=order.symbol, price=price, qty=qty,
            quote=quote, fee=fee, fee_asset=asset, time_ms=now_ms, is_buyer=order.is_buy, is_maker=is_maker,
        )  # fmt: skip
        if self.lies.hides(fill):
            fill = attrs.evolve(fill, hidden=True)
            order.hidden_qty += qty
            order.hidden_quote += quote
            self.lies.conceal(fill, pair.rules.base, pair.rules.quote)
        order.fills.append(fill)
        if order.list_id != NOT_IN_A_LIST:
            pair.stirred.append(order)
        pair.fills.setdefault(order.uid, []).append(fill)
        self.touch(order.uid, pair.rules.base, pair.rules.quote, asset)
        self._report_fill(pair, order, fill, now_ms)
        if order.status == "FILLED":
            self._release(pair, order)

    def _report_fill(self, pair: Pair, order: Order, fill: Fill, now_ms: int) -> None:
        lied = order.status == "FILLED" and order.hidden_qty
        if not fill.hidden:
            self.report(pair, order, "TRADE", now_ms, fill=fill, status="PARTIALLY_FILLED" if lied else None)
        if lied:
            self.report(pair, order, "EXPIRED", now_ms)["eR"] = order.shown_expiry

    def _pay(self, pair: Pair, order: Order, qty: Decimal, quote: Decimal) -> None:
        rules, uid = pair.rules, order.uid
        if order.is_buy:
            still = reserve(order.price, order.remaining) if order.price else order.locked - quote
            self.ledger.unlock(uid, rules.quote, order.locked - still)
            order.locked = still
            self.ledger.move(uid, rules.quote, -quote)
            self.ledger.move(uid, rules.base, qty)
        else:
            self.ledger.unlock(uid, rules.base, qty)
            order.locked -= qty
            self.ledger.move(uid, rules.base, -qty)
            self.ledger.move(uid, rules.quote, quote)

    def _charge(
        self, pair: Pair, order: Order, price: Decimal, qty: Decimal, quote: Decimal, *, is_maker: bool
    ) -> tuple[Decimal, str]:
        holder = self.ledger.accounts[order.uid]
        if holder.pays_in_bnb:
            rate = self._bnb_price(pair, price)
            worth = quote / rate if rate is not None else ZERO
            in_bnb = self.fee.amount(worth, is_maker=is_maker, is_buyer=order.is_buy, in_bnb=True)
            if rate is not None and holder.free("BNB") >= in_bnb:
                self.ledger.collect(order.uid, "BNB", in_bnb)
                return in_bnb, "BNB"
        asset = pair.rules.base if order.is_buy else pair.rules.quote
        fee = self.fee.amount(qty if order.is_buy else quote, is_maker=is_maker, is_buyer=order.is_buy)
        self.ledger.collect(order.uid, asset, fee)
        return fee, asset

    def _bnb_price(self, pair: Pair, price: Decimal) -> Decimal | None:
        rules = pair.rules
        if rules.base == "BNB":
            return price
        if rules.quote == "BNB":
            return Decimal(1)
        listed = self.pairs.get("BNB" + rules.quote)
        if listed is not None and listed.history.last_price is not None:
            return listed.history.last_price
        return self.fee.bnb_prices.get(rules.quote)

    def lock(self, pair: Pair, order: Order, amount: Decimal) -> None:
        """Lock what the order may spend, in place of what it had locked; the caller has checked that it is there."""
        self.ledger.lock(order.uid, pair.spent(order), amount - order.locked)
        order.locked = amount
        self.touch(order.uid, pair.rules.base, pair.rules.quote)

    def tell_list(self, listed: OrderList, now_ms: int) -> None:
        """Emit a listStatus."""
        self.events.append(("user", listed.uid, events.list_status(listed, now_ms)))

    def end(self, pair: Pair, order: Order, status: str, now_ms: int) -> None:
        """End a live order without a fill: status, funds, indexes. The caller reports it."""
        order.status = status
        order.updated_ms = now_ms
        self._release(pair, order)

    def expire(self, pair: Pair, order: Order, reason: str, now_ms: int) -> None:
        """End an order by its own rules (IOC, FOK, MARKET) and report why."""
        order.expiry_reason = reason
        self.end(pair, order, "EXPIRED", now_ms)
        self.report(pair, order, "EXPIRED", now_ms)["eR"] = reason

    def prevent(self, pair: Pair, order: Order, match: Prevention, qty: Decimal, now_ms: int) -> None:
        """Take `qty` from an order that would have traded with its own account, end it when nothing is left; report it."""
        order.prevented_match_id = match.match_id
        order.prevented_qty += qty
        order.updated_ms = now_ms
        if not order.remaining:
            self.end(pair, order, "EXPIRED_IN_MATCH", now_ms)
        elif not order.is_buy or order.price:
            self.lock(pair, order, reserve(order.price, order.remaining) if order.is_buy else order.remaining)
        events.add_prevention(self.report(pair, order, "TRADE_PREVENTION", now_ms), order, match)

    def _release(self, pair: Pair, order: Order) -> None:
        if order.locked:
            self.ledger.unlock(order.uid, pair.spent(order), order.locked)
            order.locked = ZERO
        pair.close(order)
        self.touch(order.uid, pair.rules.base, pair.rules.quote)

    def house_fill(self, pair: Pair, qty: Decimal, quote: Decimal, *, house_buys: bool) -> None:
        """The house's side of a trade with an account."""
        sign = 1 if house_buys else -1
        self.ledger.move(HOUSE, pair.rules.base, sign * qty)
        self.ledger.move(HOUSE, pair.rules.quote, -sign * quote)
