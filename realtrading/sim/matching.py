"""Price-time matching: an aggressive order against the book, and a tape trade against resting orders."""

from __future__ import annotations

from decimal import Decimal

import attrs

from . import events
from .book import Offer, Side
from .core import Core
from .history import PublicTrade
from .numbers import ZERO, down, worth
from .orders import Order, Prevention
from .pair import Pair


@attrs.frozen
class Reach:
    """What an order could take from the book now: quantity, its cost in quote, and whether the book ran out."""

    qty: Decimal
    cost: Decimal
    exhausted: bool


class Matcher:
    """Matching over one `Core`."""

    def __init__(self, core: Core) -> None:
        self.core = core

    def take(self, pair: Pair, taker: Order, now_ms: int) -> None:
        """Match an order against the book until it is done, ended by self-trade prevention, or nothing crosses."""
        side = pair.book.against(buy=taker.is_buy)
        printed: list[PublicTrade] = []
        while taker.is_live and taker.remaining:
            offer = side.first()
            if offer is None or not _crosses(taker, offer.price):
                break
            if offer.order is not None and offer.order.uid == taker.uid and taker.stp != "NONE":
                self._prevent(pair, taker, offer.order, now_ms)
                continue
            qty = min(taker.remaining, offer.qty)
            printed.append(self._trade(pair, side, offer, qty, now_ms, taker=taker))
        self._print_aggregates(pair, printed)

    def play(self, pair: Pair, price: Decimal, qty: Decimal, now_ms: int, *, buy: bool) -> None:
        """Play one recorded trade: an aggressive order of `qty` that reached `price`.

        Resting orders at or before that price are met first, at their own prices, by price and time; so are orders of
        the other side that the price has passed (the recorded maker would have met them). What is left of the
        quantity traded between parties outside, at the recorded price. Orders are filled in whole steps only.
        """
        printed: list[PublicTrade] = []
        left = qty
        for buys in (buy, not buy):
            side = pair.book.against(buy=buys)
            while left:
                best = side.best_account_price()
                if best is None or side.better(price, best) or (buys is not buy and best == price):
                    break
                order = side.queues[best][0]
                part = min(down(left, pair.rules.step), order.remaining)
                if not part:
                    break
                printed.append(self._trade(pair, side, Offer(best, order.remaining, order, None), part, now_ms))
                left -= part
        if left:
            quote = worth(price, left)
            printed.append(self._print(pair, price, left, quote, now_ms, buyer_maker=not buy))
        self._print_aggregates(pair, printed)

    def reach(self, pair: Pair, taker: Order, *, budget: Decimal | None = None) -> Reach:
        """What `taker` could take at once, at most its quantity, or what `budget` pays for when one is given."""
        total = cost = ZERO
        step = pair.rules.step
        left = budget
        for offer in pair.book.against(buy=taker.is_buy).offers():
            if not _crosses(taker, offer.price):
                return Reach(total, cost, True)
            if offer.order is not None and offer.order.uid == taker.uid and taker.stp != "NONE":
                if taker.stp == "EXPIRE_MAKER":
                    continue
                return Reach(total, cost, True)
            wanted = taker.qty - total if left is None else down(left / offer.price, step)
            qty = min(offer.qty, wanted)
            quote = worth(offer.price, qty)
            total += qty
            cost += quote
            left = None if left is None else left - quote
            if qty == wanted:
                return Reach(total, cost, False)
        return Reach(total, cost, True)

    def _trade(
        self, pair: Pair, side: Side, offer: Offer, qty: Decimal, now_ms: int, *, taker: Order | None = None
    ) -> PublicTrade:
        quote = worth(offer.price, qty)
        trade = self._print(pair, offer.price, qty, quote, now_ms, buyer_maker=side.bids)
        maker = offer.order
        if taker is not None:
            self.core.book_fill(pair, taker, offer.price, qty, quote, trade.trade_id, now_ms, is_maker=False)
        if maker is not None:
            self.core.book_fill(pair, maker, offer.price, qty, quote, trade.trade_id, now_ms, is_maker=True)
            if not maker.is_live:
                side.remove(maker)
        if offer.level is not None:
            side.take_house(offer.level, qty)
        if taker is None or maker is None:
            house_buys = side.bids if maker is None else not side.bids
            self.core.house_fill(pair, qty, quote, house_buys=house_buys)
        pair.book.update_id += 1
        return trade

    def _print(
        self, pair: Pair, price: Decimal, qty: Decimal, quote: Decimal, now_ms: int, *, buyer_maker: bool
    ) -> PublicTrade:
        trade = PublicTrade(pair.take_trade_id(), price, qty, quote, now_ms, buyer_maker)
        pair.history.record(trade)
        pair.moved.append(price)
        symbol = pair.rules.symbol
        self.core.events.append(("market", symbol, {"kind": "trade", "data": events.trade(symbol, trade)}))
        return trade

    def _print_aggregates(self, pair: Pair, printed: list[PublicTrade]) -> None:
        symbol = pair.rules.symbol
        for agg in pair.history.aggregate(printed):
            self.core.events.append(("market", symbol, {"kind": "aggTrade", "data": events.agg_trade(symbol, agg)}))

    def _prevent(self, pair: Pair, taker: Order, maker: Order, now_ms: int) -> None:
        lost: dict[str, tuple[Decimal | None, Decimal | None]] = {
            "EXPIRE_TAKER": (taker.remaining, None),
            "EXPIRE_MAKER": (None, maker.remaining),
            "EXPIRE_BOTH": (taker.remaining, maker.remaining),
        }
        both = min(taker.remaining, maker.remaining)  # DECREMENT, and TRANSFER inside one account
        taker_qty, maker_qty = lost.get(taker.stp, (both, both))
        match = Prevention(
            match_id=pair.take_match_id(),
            taker_order_id=taker.order_id,
            maker_order_id=maker.order_id,
            mode=taker.stp,
            price=maker.price,
            taker_qty=taker_qty,
            maker_qty=maker_qty,
            time_ms=now_ms,
        )
        taker.preventions.append(match)
        if maker_qty is not None:
            self.core.prevent(pair, maker, match, maker_qty, now_ms)
            if not maker.is_live:
                pair.book.own(buy=maker.is_buy).remove(maker)
        if taker_qty is not None:
            self.core.prevent(pair, taker, match, taker_qty, now_ms)


def _crosses(taker: Order, price: Decimal) -> bool:
    if taker.at_market:
        return True
    return price <= taker.price if taker.is_buy else price >= taker.price
