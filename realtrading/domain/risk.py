"""What risk keeps: commitments of live orders, merged so that order and repetition do not matter, and the day.

The rules that judge an order against them are in `risk_rules`.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

import attrs

from .limits import HUNDRED, RealTradingConfig
from .order_states import TERMINAL
from .orders import RealOrder
from .positions import PositionBook
from .valuation import Valuation, mark
from .values import ONE, RATIO_STEP, ZERO, Quote, Side, ratio


@attrs.frozen(kw_only=True)
class Commitment:
    """What one order may still do: `ceiling` (original quantity; cumulative once final) minus `applied` (booked).

    Merged only by maximum of `applied`, and by finality of `ceiling`; so order, repetition and lateness do not matter.
    `executed` is the greatest cumulative quantity heard. `worst_price` (quote per base; 0 = not known yet) values it;
    `reduces` marks an order judged to reduce managed quantity only. Quantities in base units.
    """

    order_id: str
    strategy: str
    symbol: str
    side: Side
    ceiling: Decimal
    applied: Decimal
    final: bool
    worst_price: Decimal
    reduces: bool
    executed: Decimal = ZERO

    @property
    def remaining(self) -> Decimal:
        """Base units it may still add to (or take from) the position."""
        return max(self.ceiling - self.applied, ZERO)

    @property
    def spent(self) -> bool:
        """Nothing more can come of it: the order is final and positions has booked all of it. Its row may go."""
        return self.final and not self.remaining


def worst_price(order: RealOrder, quote: Quote | None, config: RealTradingConfig) -> Decimal | None:
    """The price (quote per base) an order is valued at, or None when it needs a quote and there is none.

    A limit order: its price. A market buy: the ask plus `default_slippage_percent`. A market sell: the bid; by quote
    amount the bid less the slippage, since a lower price sells more.
    """
    if order.price is not None:
        return order.price
    if quote is None or quote.bid <= ZERO or quote.ask <= ZERO:
        return None
    slip = config.default_slippage_percent / HUNDRED
    if order.side is Side.BUY:
        return quote.ask * (ONE + slip)
    return quote.bid if order.quote_quantity is None else quote.bid * (ONE - slip)


def hold(order: RealOrder, worst_price: Decimal | None, reduces: bool) -> Commitment:
    """The commitment of an order nothing is known of yet. Without a price `worst_price` is 0 until `priced` says it.

    An order by quote amount is held as that amount divided by the worst price, rounded up, until the venue tells what
    was executed. For an order found at recovery, follow with `with_order`; on spot its `reduces` is "it is a SELL".
    """
    return Commitment(
        order_id=order.id,
        strategy=order.strategy,
        symbol=order.symbol,
        side=order.side,
        ceiling=_asked_quantity(order, worst_price),
        applied=ZERO,
        final=False,
        worst_price=worst_price or ZERO,
        reduces=reduces,
    )


def priced(commitment: Commitment, order: RealOrder, worst_price: Decimal) -> Commitment:
    """Give a commitment held without a price its price; one that has a price keeps it."""
    if commitment.worst_price:
        return commitment
    ceiling = commitment.ceiling
    if not commitment.final:
        ceiling = max(ceiling, _asked_quantity(order, worst_price))
    return attrs.evolve(commitment, worst_price=worst_price, ceiling=ceiling)


def with_order(commitment: Commitment, order: RealOrder) -> Commitment:
    """Merge what is said of the order: the greatest executed quantity counts; a final order can do no more."""
    executed = max(commitment.executed, order.executed_quantity)
    final = commitment.final or order.state in TERMINAL
    ceiling = executed if final else max(commitment.ceiling, executed)
    return attrs.evolve(commitment, executed=executed, final=final, ceiling=ceiling)


def with_booked(commitment: Commitment, cumulative: Decimal) -> Commitment:
    """Merge what positions says it has booked of the order in all (gross base quantity, see `booked_quantity`)."""
    return attrs.evolve(commitment, applied=max(commitment.applied, cumulative))


def booked_quantity(book: PositionBook, order: RealOrder) -> Decimal:
    """Gross base quantity of the order's fills that the book has booked."""
    booked = book.booked.get(order.id, frozenset())
    return sum((fill.quantity for fill in order.fills if fill.trade_id in booked), ZERO)


def _asked_quantity(order: RealOrder, price: Decimal | None) -> Decimal:
    if order.quote_quantity is None:
        return order.original_quantity
    if not price:
        return ZERO
    quantity = ratio(order.quote_quantity, price)
    return quantity if quantity * price >= order.quote_quantity else quantity + RATIO_STEP


# -- the day of the loss limit ------------------------------------------------


@attrs.frozen(kw_only=True)
class RiskDay:
    """The day (UTC) the daily loss is counted in.

    `start` holds what `day_results` said at the roll: per position book its result in quote units, and per book and
    third asset (`strategy/symbol:ASSET`) the fees paid. Kept in their own units, so that only the day's *change* is
    valued: a fee coin that doubles makes no loss out of last year's fees. `breached` stays true for the day; the
    breaker's LOSS cause, opened by `LimitBreached`, outlives the roll and waits for a person.
    """

    day: date
    start: Mapping[str, Decimal]
    breached: bool = False


def day_results(books: Iterable[PositionBook], quotes: Mapping[str, Quote]) -> dict[str, Decimal] | None:
    """Lifetime result of each book: realised plus unrealised at the mark, and its third-asset fees (keys: `RiskDay`).

    None when an open position has no quote: its result is then not known.
    """
    results = {}
    for book in books:
        result = book.realized_total
        if book.position is not None and book.quantity:
            quote = quotes.get(book.symbol)
            if quote is None or mark(quote) <= ZERO:
                return None
            result += book.quantity * (mark(quote) - book.position.entry_price)
        results[book.key] = result
        for asset, paid in book.commissions.items():
            if asset not in (book.base, book.quote):  # those two are already inside quantity and realised result
                results[f"{book.key}:{asset}"] = paid
    return results


def day_result(
    day: RiskDay, results: Mapping[str, Decimal], books: Iterable[PositionBook], valuation: Valuation
) -> Decimal | None:
    """The day's result in the reporting asset (negative is a loss): results now less results at the start, valued now.

    `results` are what `day_results` says of the same `books`. None when something that changed has no price path. What
    began after the roll began at nothing.
    """
    quote_assets = {book.key: book.quote for book in books}
    total = ZERO
    for key, result in results.items():
        owner, _, fee_asset = key.partition(":")
        change = result - day.start.get(key, ZERO)
        value = valuation.value(change, fee_asset or quote_assets[owner])
        if value is None:
            return None
        total += -value if fee_asset else value
    return total


def breached(result: Decimal, config: RealTradingConfig) -> bool:
    """The day's result has reached the loss limit."""
    return result <= -config.max_daily_loss_usdt


def roll_day(day: RiskDay | None, today: date, results: Mapping[str, Decimal]) -> RiskDay:
    """The day to count in: a new one when `today` (UTC) is later, else the old one, also when a clock is set back.

    When `day_results` is None at midnight, the roll waits until it is known, and the old day counts on.
    """
    if day is not None and today <= day.day:
        return day
    return RiskDay(day=today, start=dict(results))
