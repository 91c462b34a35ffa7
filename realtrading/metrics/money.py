"""The families about money and its limits. Amounts across symbols are in the reporting asset; floats only on the page."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

from realtrading.domain.breaker import ACCOUNT, CauseKind
from realtrading.domain.limits import HUNDRED
from realtrading.domain.positions import PositionBook
from realtrading.domain.reasons import Reason
from realtrading.domain.risk import day_result, day_results
from realtrading.domain.risk_picture import Verdict, exposures
from realtrading.domain.valuation import mark
from realtrading.domain.values import ZERO
from realtrading.runtime.metrics import Family

from .shape import Labels, counted, family, single
from .view import View

ORDER = "order"
"""Scope of the limits that bound one order and have no standing usage."""

TRIPS = tuple(
    (str(kind), reason)
    for kind, reasons in {
        CauseKind.ERRORS: ("errors",),
        CauseKind.UNCONFIRMED: ("revised",),
        CauseKind.STREAM_LOST: ("stream",),
        CauseKind.KEEPER_LOST: ("keeper",),
        CauseKind.DRIFT: ("round",),
        CauseKind.BACKLOG: ("backlog",),
        CauseKind.CLOCK: ("clock",),
        CauseKind.LOSS: ("loss",),
        CauseKind.MANUAL: ("manual",),
    }.items()
    for reason in reasons
)
"""Which causes there are, and the first words of the tokens that open them while the engine runs."""


def money(view: View) -> Iterator[Family]:
    """What there is and what it is worth; no sample where a price is missing."""
    yield family("balance", _balances(view))
    quantities = dict.fromkeys(view.symbols, ZERO)
    for book in view.books.values():
        if book.symbol in quantities:
            quantities[book.symbol] += book.quantity
    yield family("position_quantity", {(symbol,): quantity for symbol, quantity in quantities.items()})
    yield family("position_notional", _by_symbol(view, lambda book: _worth(view, book)))
    yield single("equity", _equity(view))
    yield family("pnl_realized", _by_symbol(view, lambda book: book.realized_total))
    yield family("pnl_unrealized", _by_symbol(view, lambda book: _unrealized(view, book)))
    yield single("pnl_day", pnl_day(view))


def _balances(view: View) -> dict[Labels, Decimal]:
    """Only the assets that trading touches: an account may hold dust in hundreds of others."""
    traded = {view.settings.reporting_asset, *(labels[0] for labels in dict(view.tally.commission))}
    traded |= {asset for rules in view.rules.values() for asset in (rules.base, rules.quote)}
    found: dict[Labels, Decimal] = {}
    for asset in sorted(traded & set(view.ledger)):
        line = view.ledger[asset]
        locked = line.reported_locked or ZERO
        found[asset, "free"], found[asset, "locked"] = line.total - locked, locked
    return found


def _by_symbol(view: View, quote_amount: Callable[[PositionBook], Decimal | None]) -> dict[Labels, Decimal]:
    """The sum over a symbol's books in the reporting asset; no sample for a symbol with an unknown part."""
    found: dict[str, Decimal | None] = dict.fromkeys(view.symbols, ZERO)
    valuation = view.valuation
    for book in view.books.values():
        if book.symbol in found:
            amount, before = quote_amount(book), found[book.symbol]
            value = None if amount is None else valuation.value(amount, book.quote)
            found[book.symbol] = None if value is None or before is None else before + value
    return {(symbol,): value for symbol, value in found.items() if value is not None}


def _worth(view: View, book: PositionBook) -> Decimal | None:
    quote = view.quotes.get(book.symbol)
    if not book.quantity:
        return ZERO
    return None if quote is None else book.quantity * mark(quote)


def _unrealized(view: View, book: PositionBook) -> Decimal | None:
    quote = view.quotes.get(book.symbol)
    if book.position is None or not book.quantity:
        return ZERO
    return None if quote is None else book.quantity * (mark(quote) - book.position.entry_price)


def _equity(view: View) -> Decimal | None:
    """Managed capital: what we trade with, and what we bought with it. Coins that were there before are not in it."""
    valuation = view.valuation
    cash = {view.settings.reporting_asset, *(rules.quote for rules in view.rules.values())} & set(view.ledger)
    parts = [valuation.value(view.ledger[asset].total, asset) for asset in cash]
    for book in view.books.values():
        if book.base not in cash:
            worth = _worth(view, book)
            parts.append(None if worth is None else valuation.value(worth, book.quote))
    known = [part for part in parts if part is not None]
    return sum(known, ZERO) if parts and len(known) == len(parts) else None


def pnl_day(view: View) -> Decimal | None:
    """The day's result as the loss limit counts it; None while a price is missing."""
    results = day_results(view.books.values(), view.quotes)
    if view.day is None or results is None:
        return None
    return day_result(view.day, results, view.books.values(), view.valuation)


def risk(view: View) -> Iterator[Family]:
    """Limits, what is used of them, who was refused, and the breaker."""
    yield family("risk_limit", _limits(view))
    yield family("risk_usage", _usage(view))
    rules = [(str(reason).removeprefix("RISK_").lower(), "deny") for reason in Reason if reason.startswith("RISK_")]
    yield family("risk_decisions_total", counted([("all", "pass"), *rules], view.tally.decisions))
    is_open = {(str(cause.kind),): 1 for cause in view.breaker.causes}
    yield family("breaker_open", counted(((str(kind),) for kind in CauseKind), is_open))
    yield family("breaker_trips_total", counted(TRIPS, view.tally.trips))


def _limits(view: View) -> Mapping[Labels, Decimal | int]:
    limits = view.settings.limits
    found: dict[Labels, Decimal | int] = {
        ("position_max", symbol): limits.max_position_size_usdt for symbol in view.settings.symbols
    }
    found |= {
        ("exposure_max", ACCOUNT): limits.max_total_exposure_usdt,
        ("positions_max", ACCOUNT): limits.max_positions,
        ("daily_loss", ACCOUNT): limits.max_daily_loss_usdt,
        ("order_value_max", ORDER): limits.max_order_value_usdt,
    }
    line = view.ledger.get(view.settings.reporting_asset)
    if line is not None:
        found["per_trade_max", ORDER] = line.total * limits.risk_per_trade_percent / HUNDRED
    return found


def _usage(view: View) -> Mapping[Labels, Decimal | int]:
    live = [held for held in view.commitments.values() if held.remaining]
    taken = {book.symbol for book in view.books.values() if book.quantity}
    taken |= {held.symbol for held in live if not held.reduces}
    found: dict[Labels, Decimal | int] = {("positions_max", ACCOUNT): len(taken)}
    values = exposures(view.books.values(), live, view.valuation)
    if not isinstance(values, Verdict):
        found |= {("position_max", symbol): values.get(symbol, ZERO) for symbol in view.settings.symbols}
        found["exposure_max", ACCOUNT] = sum(values.values(), ZERO)
    result = pnl_day(view)
    if result is not None:
        found["daily_loss", ACCOUNT] = max(-result, ZERO)
    return found
