"""Judged at the wire, on the exchange's own ledger: what is signed, how often, and how much of it is at stake."""

import decimal
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from realtrading.domain.breaker import CauseKind, in_scope
from realtrading.domain.commands import PlaceOrder
from realtrading.domain.orders import RealOrder
from realtrading.domain.values import EXACT, ZERO, ClientId, Side, is_ours
from realtrading.runtime.actor import CURRENT_LETTER

from .exchanges import UID

if TYPE_CHECKING:
    from .invariants import Invariants

SLACK = Decimal("1.05")
"""A mark may move a little after an order was judged by it."""


class AtTheWire:
    """Hears of every request before it leaves and looks at the exchange after every operation."""

    def __init__(self, judge: "Invariants") -> None:
        self.judge, self.world, self.check = judge, judge.world, judge.check
        self.requests: Counter[str] = Counter()
        self._sizes: dict[str, Decimal] = {}
        self._marks: dict[str, Decimal] = {}

    def requested(self, kind: str, silence: Any) -> None:
        """G11: who was told to be silent is, as long as nobody sets the clock by which it waits."""
        left_s = silence.until_s - self.world.loop.time() if silence.skew_s == self.world.skew_s else 0.0
        self.check("G11 silence", left_s < 0.01, f"{kind} came {left_s:.2f} s too early")

    def signed(self, params: Mapping[str, str], stamped: datetime) -> None:
        """A placement is about to leave: G1, G2, G10, and exactly what was recorded."""
        order_id, world = params["newClientOrderId"], self.world
        self.requests[order_id] += 1
        sent = self.requests[order_id]
        self.check("G1 one request per id", sent == 1, f"{order_id} was sent {sent} times")
        store = world.life.store
        found = [] if store is None else list(store.events(types=["IntentRecorded"], order_id=order_id))
        self.check("G2 recorded before signed", bool(found), f"{order_id} was signed and is not on disk")
        if found:
            kept = found[-1].event.order
            same = kept.price is None or Decimal(params.get("price", "0")) == kept.price
            same = same and Decimal(params.get("quantity", "0")) in (kept.original_quantity, ZERO)
            self.check("G2 what is recorded is sent", same, f"{order_id}: {params} is not {kept}")
        letter = CURRENT_LETTER.get()
        message = None if letter is None else letter.message
        if not isinstance(message, PlaceOrder):
            self.judge.violated("G10", f"{order_id} was signed without PlaceOrder")
            return
        gate = world.life.parts.gate()
        self.check("G10 gate", message.gate in (None, gate), f"{order_id} passed at gate {message.gate}, signed at {gate}")
        fresh = world.loop.time() <= message.valid_until_mono
        self.check("G10 age", fresh, f"{order_id} was signed too late")
        if message.gate is not None:
            state, causes = world.life.house.tables("breaker")["breaker"].get("state", (None, ()))
            shut = [
                cause.kind for cause in causes
                if in_scope(cause.scope, message.order) and not (cause.kind is CauseKind.ERRORS and state.half_open)
            ]  # fmt: skip
            self.check("G10 nothing new while a cause is open", not shut, f"{order_id} was signed in spite of {shut}")
            self.check("G10 confirmed first", not world.life.recovering, f"{order_id} was signed before the first clean round")
        else:
            reduces = message.order.side is Side.SELL or self.managed(message.order) < 0
            self.check("G10 only exits pass shut gates", reduces, f"{order_id} adds exposure and had no gate")

    def managed(self, order: RealOrder) -> Decimal:
        """What positions says of the order's key."""
        book = self.world.life.house.tables("positions")["positions"].get(f"{order.strategy}/{order.symbol}")
        return ZERO if book is None else book.quantity

    def exposure(self) -> None:
        """G5: positions, open buys and buys on their way, on the exchange's own ledger.

        Coins count at most at the mark of the moment in which they grew more: what the market does to them after that was
        no decision of the house.
        """
        world = self.world
        total = ZERO
        if world.nemesis.too_late:
            return  # an order whose absence was proved may still come to life then
        with decimal.localcontext(EXACT):
            for symbol, pair in world.floor.exchange.core.pairs.items():
                nameless = any(order.symbol == symbol for order in self.judge.nameless())
                if nameless or pair.rules.base in world.nemesis.people.raided:
                    continue
                value = self._exposure(symbol, pair)
                total += value
                limit = world.limits.max_position_size_usdt * SLACK
                self.check("G5 position", value <= limit, f"{symbol}: {value} above {limit}")
            limit = world.limits.max_total_exposure_usdt * SLACK
            self.check("G5 total", total <= limit, f"{total} above {limit}")

    def _exposure(self, symbol: str, pair: Any) -> Decimal:
        best = pair.book.buys.best()
        price = best[0] if best is not None else ZERO
        held: dict[str, Decimal] = {}
        value = on_its_way = ZERO
        for order in pair.by_account.get(UID, ()):
            parts = ClientId.parse(order.placed_id)
            if parts is None:
                continue
            for fill in order.fills:
                delta = fill.qty if fill.is_buyer else -fill.qty
                if fill.fee_asset == pair.rules.base:
                    delta -= fill.fee
                held[parts.strategy] = held.get(parts.strategy, ZERO) + delta
            if order.is_live and order.is_buy:
                value += order.remaining * order.price
                on_its_way += order.remaining
        for params in self.world.net.pending.values():
            if params["symbol"] == symbol and params["side"] == "BUY" and is_ours(params["newClientOrderId"], "rt"):
                asked = Decimal(params.get("quantity", "0"))
                worth = asked * (Decimal(params["price"]) if "price" in params else price)
                value += Decimal(params["quoteOrderQty"]) if "quoteOrderQty" in params else worth
                on_its_way += asked
        coins = sum(map(abs, held.values()), ZERO)
        if coins + on_its_way > self._sizes.get(symbol, ZERO):  # somebody added to it, at this mark
            self._marks[symbol] = price
        self._sizes[symbol] = coins + on_its_way
        return value + coins * min(price, self._marks.get(symbol, price))
