"""Everything a person may decide, as values: the seed's limits and the settings of one engine.

Both check themselves and name every mistake at once (`BadSettings`). Reading a file is `realtrading.config`'s job.
"""
from __future__ import annotations

import enum
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from realtrading.errors import BadInput

from .values import ZERO, BadAmount, amount, is_strategy_name, plain

HUNDRED = Decimal(100)
DAY_SECS = 86_400

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{1,29}", re.ASCII)
_ASSET = re.compile(r"[A-Z0-9]{1,15}", re.ASCII)
_PREFIX = re.compile(r"[a-z]{1,4}", re.ASCII)
_USE = re.compile(r"(?P<where>[^:]+(?:\.py)?):(?P<name>[^\W\d]\w*)")


@attrs.frozen(kw_only=True)
class Mistake:
    """One thing that is wrong: where (`section`, `key`), and what, with what would be allowed."""

    section: str
    key: str
    what: str

    def __str__(self) -> str:
        return f"[{self.section}] {self.key}: {self.what}" if self.key else f"[{self.section}]: {self.what}"


class BadSettings(BadInput):
    """Settings that contradict themselves; `mistakes` holds every one, `str()` has one line for each. Exit code 4."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes), exit_code=4)
        self.mistakes = tuple(mistakes)


def _amount_or_raw(value: Any) -> Any:
    """An exact amount, or the thing itself, so that `__attrs_post_init__` can name every bad field at once."""
    try:
        return amount(value)
    except BadAmount:
        return value


def _limit(default: str) -> Decimal:
    return attrs.field(default=Decimal(default), converter=_amount_or_raw)  # type: ignore[no-any-return]


@attrs.frozen(kw_only=True)
class RealTradingConfig:
    """The seed's limits and intervals, and two more. Every amount is in the *reporting asset*; `_usdt` is the seed's word for it.

    M-8, the defaults: the seed gives three; the others are chosen for the first days on the testnet, where an account
    holds about 10,000 USDT: small enough that a runaway strategy is a lesson and not a loss, large enough for the venue's
    smallest order (5 to 10 USDT). Each field says why. M-5, the two time-outs: `order_timeout_secs` is how long an order
    may wait to be filled; `stale_order_timeout_secs` is the net below it, drawn by reconciliation.

    Raises `BadSettings` with every mistake at once.
    """

    max_position_size_usdt: Decimal = _limit("100")
    """Largest value of one symbol's position, with what its live orders may still add. 1 % of a testnet account."""

    max_total_exposure_usdt: Decimal = _limit("500")
    """Largest value of all positions and live entries together. Five full positions: 5 % of a testnet account."""

    max_daily_loss_usdt: Decimal = _limit("50")
    """Loss since 00:00 UTC, open positions at their mark, at which entries end. A tenth of the whole exposure: no calm day
    reaches it, a strategy that has run wild does."""

    max_positions: int = 5
    """Largest number of symbols with a position or a live entry. Total exposure divided by position size."""

    risk_per_trade_percent: Decimal = _limit("2")
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

    default_slippage_percent: Decimal = _limit("0.1")
    """Price buffer in %: a LIMIT without a price is put this far through the touch, and a market buy is valued this far
    above the ask. About ten ticks of a liquid pair: filled at once, yet bounded."""

    order_timeout_secs: int = 60
    """Seconds after its creation at which an unfilled, not deliberately resting order is cancelled. A minute: an order
    priced through the touch that is still open then was priced wrongly."""

    max_order_value_usdt: Decimal = _limit("100")
    """Largest value of a single order: the guard against a misplaced digit. One full position."""

    quote_age_max_secs: int = 5
    """Oldest quote in seconds that an entry may be judged by. A liquid book moves several times a second; five seconds of
    silence mean that the stream is ill."""

    def __attrs_post_init__(self) -> None:
        wrong = self._ranges()
        if not wrong:
            wrong = self._relations()
        if wrong:
            raise BadSettings(wrong)

    def _ranges(self) -> list[Mistake]:
        checks = [_check_amount(name, getattr(self, name)) for name in AMOUNTS]
        checks += [_check_percent(name, getattr(self, name), *bounds) for name, bounds in PERCENTS.items()]
        checks += [_check_count(name, getattr(self, name), largest) for name, largest in COUNTS.items()]
        return [mistake for mistake in checks if mistake is not None]

    def _relations(self) -> list[Mistake]:
        wrong = []
        if self.max_total_exposure_usdt < self.max_position_size_usdt:
            wrong.append(Mistake(section="limits", key="max_total_exposure_usdt", what=(
                f"{plain(self.max_total_exposure_usdt)} is below max_position_size_usdt "
                f"{plain(self.max_position_size_usdt)} (allowed: at least that)")))
        if self.stale_order_timeout_secs < self.order_timeout_secs:
            wrong.append(Mistake(section="limits", key="stale_order_timeout_secs", what=(
                f"{self.stale_order_timeout_secs} is below order_timeout_secs {self.order_timeout_secs} "
                "(allowed: at least that)")))
        return wrong


AMOUNTS = ("max_position_size_usdt", "max_total_exposure_usdt", "max_daily_loss_usdt", "max_order_value_usdt")
PERCENTS = {"risk_per_trade_percent": (False, HUNDRED), "default_slippage_percent": (True, Decimal(10))}
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
    text = plain(value) if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < 20 else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _check_amount(name: str, value: object) -> Mistake | None:
    if isinstance(value, Decimal) and value.is_finite() and value > ZERO and value.adjusted() < 20:
        return None
    return Mistake(section="limits", key=name, what=f"{_shown(value)} (allowed: a plain number above 0)")


def _check_percent(name: str, value: object, zero_too: bool, largest: Decimal) -> Mistake | None:
    if isinstance(value, Decimal) and value.is_finite() and ZERO <= value <= largest and (zero_too or value > ZERO):
        return None
    smallest = "from 0" if zero_too else "above 0"
    return Mistake(section="limits", key=name, what=f"{_shown(value)} (allowed: a number {smallest} to {plain(largest)})")


def _check_count(name: str, value: object, largest: int) -> Mistake | None:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= largest:
        return None
    return Mistake(section="limits", key=name, what=f"{_shown(value)} (allowed: a whole number from 1 to {largest})")


class Mode(enum.StrEnum):
    """Where the orders go: our simulator, Binance's testnet or demo, the real account only watched, or real money."""

    SIMULATED = "simulated"
    TESTNET = "testnet"
    BINANCE_DEMO = "binance-demo"
    OBSERVE = "observe"
    LIVE = "live"


class Durability(enum.StrEnum):
    """What a recorded order survives: loss of power (one sync before the wire), or only the end of the process."""

    POWER = "power"
    PROCESS = "process"


@attrs.frozen(kw_only=True)
class VenueUrls:
    """Where the simulator listens; real venues' addresses are not a setting. Loopback only."""

    rest_url: str
    ws_api_url: str
    stream_url: str


@attrs.frozen(kw_only=True)
class Listen:
    """An address to listen on; port 0 means any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@attrs.frozen(kw_only=True)
class StrategySettings:
    """One strategy: its name (part of every client id), the class to `use` ("module:Class" or "path.py:Class"), the symbols
    it may trade, and its own `config`, checked by the strategy's class."""

    name: str
    use: str
    symbols: tuple[str, ...]
    config: Mapping[str, Any] = attrs.field(factory=dict)


def _default_journal(settings: Settings) -> Path:
    # the mode is in the name, so that a changed mode can never meet another mode's journal
    return Path(settings.state_dir) / f"journal-{settings.mode}.db"


@attrs.frozen(kw_only=True)
class Settings:
    """One engine's settings, checked. Raises `BadSettings` with every mistake at once.

    `symbols` are all that may be traded; `reporting_asset` is the unit of every limit; `prefix` begins every client id;
    `confirm_account` is the uid the key's account must have (required in mode live). `venue` is given in mode simulated and
    only there. `key_file` and `secret_file` None: from the service manager's credentials folder. `metrics_listen` None:
    no exporter.
    """

    mode: Mode = attrs.field(default=Mode.TESTNET, converter=Mode)
    symbols: tuple[str, ...] = attrs.field(converter=tuple)
    reporting_asset: str = "USDT"
    prefix: str = "rt"
    state_dir: Path = attrs.field(default=Path("state"), converter=Path)
    confirm_account: int | None = None
    limits: RealTradingConfig = attrs.field(factory=RealTradingConfig)
    venue: VenueUrls | None = None
    key_file: Path | None = None
    secret_file: Path | None = None
    strategies: tuple[StrategySettings, ...] = attrs.field(default=(), converter=tuple)
    metrics_listen: Listen | None = attrs.field(factory=lambda: Listen(host="127.0.0.1", port=17880))
    journal_path: Path = attrs.field(default=attrs.Factory(_default_journal, takes_self=True), converter=Path)
    durability: Durability = attrs.field(default=Durability.POWER, converter=Durability)

    def __attrs_post_init__(self) -> None:
        wrong = settings_mistakes(self)
        if wrong:
            raise BadSettings(wrong)


def config_digest(settings: Settings) -> str:
    """SHA-256 (hex) over the canonical effective settings: equal meaning, equal digest. No secret is part of it."""
    return ""
