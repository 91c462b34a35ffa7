"""Sets the stage for one simulated exchange: tapes, rules, account, fees, and the pace of its market."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from .clock import Pace, SimClock
from .exchange import Exchange
from .fees import FeeSchedule, Rates
from .filters_file import FiltersError, load_filters
from .floor import Floor
from .market import Market
from .rules import SymbolRules
from .settings import SettingsError, SimSettings
from .synthetic import typical_price
from .tape import Tape, TapeError

DEFAULT_SYMBOL = "BTCUSDT"


def build_floor(settings: SimSettings, clock: SimClock) -> Floor:
    """The exchange these settings describe, its book open, nothing traded yet; raises SettingsError."""
    try:
        tapes = _tapes(settings)
        rules = [_rules(settings, tape) for tape in tapes]
    except (TapeError, FiltersError) as error:
        raise SettingsError(str(error)) from None
    now_ms = clock.now_ms()
    exchange = Exchange(rules, fee=_fees(settings, rules), now_ms=now_ms, seed=settings.seed)
    exchange.add_account(settings.uid, settings.balances)
    exchange.set_bnb_fees(settings.uid, settings.bnb_fee)
    endless = settings.tape is None and settings.duration is None
    markets = [Market(exchange, tape, tape.symbol, settings.seed, loop=endless) for tape in tapes]
    for market in markets:
        market.open(now_ms)
    return Floor(
        exchange, markets, _pace(settings, tapes), clock, settings.uid,
        tape_trades=sum(len(tape) for tape in tapes), tape_span_ms=max(tape.span_ms for tape in tapes),
        tape_moves=sum(tape.moves() for tape in tapes),
    )  # fmt: skip


def _tapes(settings: SimSettings) -> list[Tape]:
    if settings.tape is not None:
        symbol = settings.symbols[0] if settings.symbols else None
        return [Tape.load(settings.tape, symbol, base=settings.base, quote=settings.quote)]
    return [
        Tape.synthetic(symbol, settings.seed, base=settings.base, quote=settings.quote)
        for symbol in settings.symbols or (DEFAULT_SYMBOL,)
    ]


def _rules(settings: SimSettings, tape: Tape) -> SymbolRules:
    return tape.rules() if settings.filters is None else load_filters(settings.filters, tape.symbol)


def _fees(settings: SimSettings, rules: list[SymbolRules]) -> FeeSchedule:
    prices: Mapping[str, Decimal] = {each.quote: typical_price("BNB", each.quote) for each in rules}
    return FeeSchedule(standard=Rates(maker=settings.fee_maker, taker=settings.fee_taker), bnb_prices=prices)


def _pace(settings: SimSettings, tapes: list[Tape]) -> Pace | None:
    if settings.step:
        return None
    span_ms = max(tape.span_ms for tape in tapes)
    if settings.duration is not None:
        return Pace(span_ms, settings.duration)
    return Pace.at_speed(span_ms, settings.speed or 1.0, endless=settings.tape is None)
