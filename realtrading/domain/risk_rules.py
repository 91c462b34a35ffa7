"""May this order be held against the limits? One pure function per rule, in the order in which they are asked.

An order that only reduces what the house manages (judged by quantity, never by its role) is asked only the rules of
form, filters and managed quantity: limits bound new exposure, and no price is needed to leave.
M-2: a protective stop or target is an order at the exchange, so it is judged here like any other reducing order and its
commitment holds the managed quantity it protects; nothing of it lives in a polling loop of ours.
"""
from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import attrs

from .limits import HUNDRED
from .reasons import Reason
from .risk import Commitment, breached, day_result, day_results
from .risk_form import filters_kept, malformed, position_sufficient, rules_present
from .risk_picture import Picture, Verdict
from .values import ZERO, Side, plain

__all__ = ["RULES", "Judgement", "Picture", "Rule", "Verdict", "judge"]


@attrs.frozen(kw_only=True)
class Judgement:
    """Risk's answer: a verdict and no commitment, or no verdict and the commitment to hold."""

    verdict: Verdict | None
    reduces: bool
    commitment: Commitment | None


@attrs.frozen
class Rule:
    """A named rule. `binds_exits`: orders that only reduce must keep it too."""

    name: str
    check: Callable[[Picture], Verdict | None]
    binds_exits: bool = False


def judge(picture: Picture) -> Judgement:
    """Ask the rules in order; the first no is the answer.

    Vetting the same order twice gives the same answer: its own commitment never stands in its way. Runs in the `EXACT`
    decimal context (set by the caller), as all of the domain does.
    """
    form, *others = RULES
    verdict = form.check(picture)
    if verdict is not None:  # of a malformed order nothing else may be asked
        return Judgement(verdict=verdict, reduces=False, commitment=None)
    for rule in others:
        if rule.binds_exits or not picture.reduces:
            verdict = rule.check(picture)
            if verdict is not None:
                return Judgement(verdict=verdict, reduces=picture.reduces, commitment=None)
    return Judgement(verdict=None, reduces=picture.reduces, commitment=picture.commitment)


# -- what an entry needs to be judged at all ----------------------------------


PLAUSIBLE = Decimal("0.1")
"""How far the middle of the best prices may be from the last trade, as a share of it."""


def symbol_allowed(picture: Picture) -> Verdict | None:
    """Entries only in the symbols of the settings; what is held in a symbol since removed may still be left."""
    symbol = picture.order.symbol
    if symbol in picture.symbols:
        return None
    return Verdict(reason=Reason.RISK_SYMBOL_NOT_ALLOWED, detail=f"{symbol} is not one of the symbols in the settings")


def symbol_trading(picture: Picture) -> Verdict | None:
    """No entry while the venue says that the symbol does not trade; an exit is the venue's to refuse."""
    if picture.rules is None or picture.rules.status == "TRADING":
        return None
    detail = f"{picture.rules.symbol} is in status {picture.rules.status}"
    return Verdict(reason=Reason.RISK_SYMBOL_NOT_TRADING, detail=detail)


def price_present(picture: Picture) -> Verdict | None:
    """No entry without a quote, a limit order's included; nor anything sized by quote amount: how much would it be?"""
    quote = picture.quote
    if quote is not None and quote.bid > ZERO and quote.ask > ZERO:
        return None
    if picture.reduces and picture.order.quote_quantity is None:
        return None
    return Verdict(reason=Reason.RISK_PRICE_MISSING, detail=f"no quote of {picture.order.symbol}")


def quote_fresh(picture: Picture) -> Verdict | None:
    """No entry by a quote older than `quote_age_max_secs`."""
    if picture.quote is None:
        return price_present(picture)
    age, limit = picture.now.mono - picture.quote.mono, picture.config.quote_age_max_secs
    if age <= limit:
        return None
    detail = f"the quote of {picture.order.symbol} is {age:.1f} s old, limit {limit} s"
    return Verdict(reason=Reason.RISK_PRICE_STALE, detail=detail)


def quote_plausible(picture: Picture) -> Verdict | None:
    """No entry by best prices that are crossed, or far from the last trade: two sources must tell one story."""
    quote = picture.quote
    if quote is None:
        return price_present(picture)
    far = abs(quote.mid - quote.last) > quote.last * PLAUSIBLE
    if quote.bid <= quote.ask and not far:
        return None
    prices = f"bid {plain(quote.bid)}, ask {plain(quote.ask)}, last trade {plain(quote.last)}"
    return Verdict(reason=Reason.RISK_PRICE_IMPLAUSIBLE, detail=f"{picture.order.symbol}: {prices}")


def valuation_present(picture: Picture) -> Verdict | None:
    """No entry whose value, or beside positions and live entries whose value, in the reporting asset is not known.

    The order's own price path must be fresh. The marks of other positions need only be there: a best-quote stream that
    lives is silent about a book that does not move, and the order's own fresh quote shows that it lives.
    """
    if picture.value is None:
        return _unvalued(picture)
    return picture.exposures if isinstance(picture.exposures, Verdict) else None


def _unvalued(picture: Picture) -> Verdict:
    asset = picture.order.symbol if picture.rules is None else picture.rules.quote
    detail = f"no fresh price path from {asset} to {picture.valuation.reporting_asset}"
    return Verdict(reason=Reason.RISK_VALUATION_MISSING, detail=detail)


# -- the limits ---------------------------------------------------------------


def order_value_max(picture: Picture) -> Verdict | None:
    """One entry's value may not exceed `max_order_value_usdt`."""
    if picture.value is None:
        return _unvalued(picture)
    limit = picture.config.max_order_value_usdt
    return _above(Reason.RISK_ORDER_VALUE_MAX, "order value", picture.value, limit, picture)


def per_trade_max(picture: Picture) -> Verdict | None:
    """One entry's value may not exceed `risk_per_trade_percent` of the ledger's total of the reporting asset."""
    if picture.value is None:
        return _unvalued(picture)
    asset = picture.valuation.reporting_asset
    line = picture.ledger.get(asset)
    if line is None:
        return Verdict(reason=Reason.RISK_BALANCE_MISSING, detail=f"the balance of {asset} is not known")
    percent = picture.config.risk_per_trade_percent
    what = f"order value ({plain(percent)} % of {plain(line.total)} {asset})"
    return _above(Reason.RISK_PER_TRADE_MAX, what, picture.value, line.total * percent / HUNDRED, picture)


def position_max(picture: Picture) -> Verdict | None:
    """A symbol's positions, its live entries and this order together may not exceed `max_position_size_usdt`."""
    if picture.value is None:
        return _unvalued(picture)
    if isinstance(picture.exposures, Verdict):
        return picture.exposures
    value = picture.exposures.get(picture.order.symbol, ZERO) + picture.value
    what = f"position in {picture.order.symbol}"
    return _above(Reason.RISK_POSITION_MAX, what, value, picture.config.max_position_size_usdt, picture)


def exposure_max(picture: Picture) -> Verdict | None:
    """All positions, live entries and this order together may not exceed `max_total_exposure_usdt`."""
    if picture.value is None:
        return _unvalued(picture)
    if isinstance(picture.exposures, Verdict):
        return picture.exposures
    value = sum(picture.exposures.values(), ZERO) + picture.value
    return _above(Reason.RISK_EXPOSURE_MAX, "total exposure", value, picture.config.max_total_exposure_usdt, picture)


def positions_max(picture: Picture) -> Verdict | None:
    """A symbol without a position or live entry may be entered only while fewer than `max_positions` have one."""
    taken = {book.symbol for book in picture.positions.values() if book.quantity}
    taken |= {held.symbol for held in picture.others if not held.reduces}
    limit = picture.config.max_positions
    if picture.order.symbol in taken or len(taken) < limit:
        return None
    detail = f"{len(taken)} symbols have a position or a live entry ({', '.join(sorted(taken))}), limit {limit}"
    return Verdict(reason=Reason.RISK_POSITIONS_MAX, detail=detail)


def balance_sufficient(picture: Picture) -> Verdict | None:
    """The ledger's total, less all that live orders may still spend of the asset, must cover the order's worst cost.

    The venue's own word on what is free is not asked: it comes late, and knows nothing of orders on their way.
    """
    if picture.rules is None:
        return rules_present(picture)
    asset = picture.rules.quote
    line = picture.ledger.get(asset)
    if line is None:
        return Verdict(reason=Reason.RISK_BALANCE_MISSING, detail=f"the balance of {asset} is not known")
    promised = _promised(picture, asset)
    if isinstance(promised, Verdict):
        return promised
    if picture.cost <= line.total - promised:
        return None
    detail = (
        f"the order may cost {plain(picture.cost)} {asset}, "
        f"the balance is {plain(line.total)}, of which live orders may spend {plain(promised)}"
    )
    return Verdict(reason=Reason.RISK_BALANCE_INSUFFICIENT, detail=detail)


def _promised(picture: Picture, asset: str) -> Decimal | Verdict:
    """What live orders may still spend of `asset`: buys in their quote asset, sells in their base asset."""
    total = ZERO
    for held in picture.others:
        rules = picture.valuation.rules.get(held.symbol)
        if rules is None:
            detail = f"no rules of {held.symbol}, where {held.order_id} is live"
            return Verdict(reason=Reason.RISK_RULES_MISSING, detail=detail)
        if held.side is Side.BUY and rules.quote == asset:
            total += held.remaining * held.worst_price
        elif held.side is Side.SELL and rules.base == asset:
            total += held.remaining
    return total


def daily_loss(picture: Picture) -> Verdict | None:
    """No entry once the day's result has reached minus `max_daily_loss_usdt`, nor while that result is not known."""
    if picture.day is None:
        return Verdict(reason=Reason.RISK_VALUATION_MISSING, detail="the day's starting values are not known yet")
    limit = plain(picture.config.max_daily_loss_usdt)
    if picture.day.breached:
        detail = f"the loss limit of {limit} was reached on {picture.day.day}"
        return Verdict(reason=Reason.RISK_DAILY_LOSS, detail=detail)
    results = day_results(picture.positions.values(), picture.valuation.quotes)
    if results is None:
        return Verdict(reason=Reason.RISK_PRICE_MISSING, detail="no price of an open position, so no result of the day")
    result = day_result(picture.day, results, picture.positions.values(), picture.valuation)
    if result is None:
        detail = "no price path for the day's result"
        return Verdict(reason=Reason.RISK_VALUATION_MISSING, detail=detail)
    if not breached(result, picture.config):
        return None
    detail = f"the day's result is {plain(result)} {picture.valuation.reporting_asset}, limit -{limit}"
    return Verdict(reason=Reason.RISK_DAILY_LOSS, detail=detail)


def _above(reason: Reason, what: str, value: Decimal, limit: Decimal, picture: Picture) -> Verdict | None:
    if value <= limit:
        return None
    unit = picture.valuation.reporting_asset
    return Verdict(reason=reason, detail=f"{what} {plain(value)} {unit} is above the limit {plain(limit)} {unit}")


RULES = (
    Rule("malformed", malformed, binds_exits=True),
    Rule("symbol_allowed", symbol_allowed),
    Rule("rules_present", rules_present, binds_exits=True),
    Rule("symbol_trading", symbol_trading),
    Rule("filters_kept", filters_kept, binds_exits=True),
    Rule("position_sufficient", position_sufficient, binds_exits=True),
    Rule("price_present", price_present, binds_exits=True),
    Rule("quote_fresh", quote_fresh),
    Rule("quote_plausible", quote_plausible),
    Rule("valuation_present", valuation_present),
    Rule("order_value_max", order_value_max),
    Rule("per_trade_max", per_trade_max),
    Rule("position_max", position_max),
    Rule("exposure_max", exposure_max),
    Rule("positions_max", positions_max),
    Rule("balance_sufficient", balance_sufficient),
    Rule("daily_loss", daily_loss),
)
"""Every rule, in the order in which they are asked."""
