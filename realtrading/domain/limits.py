"""The seed's `RealTradingConfig`: the limits and intervals of trading, checked, with justified defaults."""
from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from realtrading.errors import BadInput

from .values import ZERO, BadAmount, amount, checked, plain

HUNDRED = Decimal(100)
DAY_SECS = 86_400


def is_above_zero(number: Decimal) -> bool:
    """Above 0, finite, and with no more digits than the venue's numbers have: 20 on each side of the point."""
    try:
        return checked(number) > ZERO
    except BadAmount:
        return False


@attrs.frozen(kw_only=True)
class Mistake:
    """One thing that is wrong: where (`section`, `key`), and what, with what would be allowed."""

    section: str
    key: str
    what: str

    def __str__(self) -> str:
        place = " ".join(part for part in (f"[{self.section}]" if self.section else "", self.key) if part)
        # a name out of a file may hold anything; the message stays one line
        return f"{place if place.isprintable() else repr(place)}: {self.what}"


class BadSettings(BadInput):
    """Settings that contradict themselves; `mistakes` holds every one, `str()` has one line for each. Exit code 4."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes), exit_code=4)
        self.mistakes = tuple(mistakes)


def _amount_or_raw(value: Any) -> Any:
    """An exact amount, or the thing itself, so that `__attrs_post_init__` can name every bad field at once."""
    try:
        return amount(value)
    except ValueError:  # no amount, or a whole number too long to be written
        return value


@attrs.frozen(kw_only=True)
class RealTradingConfig:
    """The seed's limits and intervals, and two more. Amounts are in the *reporting asset*, which `_usdt` stands for.

    M-8, the defaults: the seed gives three; the others are chosen for the first days on the testnet, where an account
    holds about 10,000 USDT: small enough that a runaway strategy is a lesson and not a loss, large enough for the
    venue's smallest order (5 to 10 USDT). Each field says why. M-5, the two time-outs: `order_timeout_secs` is how long
    an order may wait to be filled; `stale_order_timeout_secs` is the net below it, drawn by reconciliation.

    Raises `BadSettings` with every mistake at once.
    """

    max_position_size_usdt: Decimal = attrs.field(default=Decimal("100"), converter=_amount_or_raw)
    """Largest value of one symbol's position, with what its live orders may still add. 1 % of a testnet account."""

    max_total_exposure_usdt: Decimal = attrs.field(default=Decimal("500"), converter=_amount_or_raw)
    """Largest value of all positions and live entries together. Five full positions: 5 % of a testnet account."""

    max_daily_loss_usdt: Decimal = attrs.field(default=Decimal("50"), converter=_amount_or_raw)
    """Loss since 00:00 UTC, open positions at their mark, at which entries end. A tenth of the whole exposure: no calm
    day reaches it, a strategy that has run wild does."""

    max_positions: int = 5
    """Largest number of symbols with a position or a live entry. Total exposure divided by position size."""

    risk_per_trade_percent: Decimal = attrs.field(default=Decimal("2"), converter=_amount_or_raw)
    """Largest value of one entry, in % of the house's own ledger total of the reporting asset. Two of a hundred is the
    field's customary figure; it shrinks the entries of an account that has shrunk."""

    circuit_breaker_errors: int = 3
    """Consecutive errors of the venue that open the breaker (seed)."""

    circuit_breaker_cooldown_secs: int = 300
    """Seconds after which one probe order may pass an error-opened breaker (seed)."""

    reconciliation_interval_secs: int = 300
    """Seconds between two reconciliation rounds when nothing else asks for one (seed)."""

    stale_order_timeout_secs: int = 300
    """Age in seconds at which reconciliation cancels an own, not deliberately resting order that it still finds open:
    the net for orders whose time-out was lost, adopted ones included. One reconciliation interval."""

    default_slippage_percent: Decimal = attrs.field(default=Decimal("0.1"), converter=_amount_or_raw)
    """Price buffer in %: a LIMIT without a price is put this far through the touch, and a market buy is valued this far
    above the ask. Wider than the spread of a liquid pair, so it fills at once, yet bounded."""

    order_timeout_secs: int = 60
    """Seconds after its creation at which an unfilled, not deliberately resting order is cancelled. A minute: an order
    priced through the touch that is still open then was priced wrongly."""

    max_order_value_usdt: Decimal = attrs.field(default=Decimal("100"), converter=_amount_or_raw)
    """Largest value of a single order: the guard against a misplaced digit. One full position."""

    quote_age_max_secs: int = 5
    """Oldest quote in seconds that an entry may be judged by. A liquid book moves several times a second; five seconds
    of silence mean that the stream is ill."""

    def __attrs_post_init__(self) -> None:
        wrong = self._ranges()
        wrong += self._relations({mistake.key for mistake in wrong})
        if wrong:
            raise BadSettings(wrong)

    def _ranges(self) -> list[Mistake]:
        checks = [_check_amount(name, getattr(self, name)) for name in AMOUNTS]
        checks += [_check_percent(name, getattr(self, name), *bounds) for name, bounds in PERCENTS.items()]
        checks += [_check_count(name, getattr(self, name), largest) for name, largest in COUNTS.items()]
        return [mistake for mistake in checks if mistake is not None]

    def _relations(self, known_wrong: set[str]) -> list[Mistake]:
        wrong = []
        for larger, smaller in NOT_BELOW.items():
            if known_wrong & {larger, smaller} or getattr(self, larger) >= getattr(self, smaller):
                continue
            numbers = _shown(getattr(self, larger)), _shown(getattr(self, smaller))
            what = f"{numbers[0]} is below {smaller} {numbers[1]} (allowed: at least that)"
            wrong.append(Mistake(section="limits", key=larger, what=what))
        return wrong


AMOUNTS = ("max_position_size_usdt", "max_total_exposure_usdt", "max_daily_loss_usdt", "max_order_value_usdt")
PERCENTS = {"risk_per_trade_percent": (False, HUNDRED), "default_slippage_percent": (True, Decimal(10))}
NOT_BELOW = {
    "max_total_exposure_usdt": "max_position_size_usdt",
    "stale_order_timeout_secs": "order_timeout_secs",
}
COUNTS = {
    "max_positions": 10_000,
    "circuit_breaker_errors": 1_000,
    "circuit_breaker_cooldown_secs": DAY_SECS,
    "reconciliation_interval_secs": DAY_SECS,
    "stale_order_timeout_secs": 30 * DAY_SECS,
    "order_timeout_secs": 30 * DAY_SECS,
    "quote_age_max_secs": DAY_SECS,
}


def _shown(value: object) -> str:
    if isinstance(value, Decimal):
        text = plain(value) if value.is_finite() and value.adjusted() < 20 else str(value)
    else:
        try:
            text = repr(value)
        except ValueError:
            text = "a number too long to be written"
    return text if len(text) <= 60 else text[:57] + "..."


def _check_amount(name: str, value: object) -> Mistake | None:
    if isinstance(value, Decimal) and is_above_zero(value):
        return None
    return Mistake(section="limits", key=name, what=f"{_shown(value)} (allowed: a plain number above 0)")


def _check_percent(name: str, value: object, zero_too: bool, largest: Decimal) -> Mistake | None:
    if isinstance(value, Decimal) and value.is_finite() and ZERO <= value <= largest and (zero_too or value > ZERO):
        return None
    smallest = "from 0" if zero_too else "above 0"
    what = f"{_shown(value)} (allowed: a number {smallest} to {plain(largest)})"
    return Mistake(section="limits", key=name, what=what)


def _check_count(name: str, value: object, largest: int) -> Mistake | None:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= largest:
        return None
    return Mistake(section="limits", key=name, what=f"{_shown(value)} (allowed: a whole number from 1 to {largest})")
