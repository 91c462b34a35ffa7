"""One moment of an engine, read for one scrape: committed tables, counters and gauges. Nobody is asked, nothing waits."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import attrs

from realtrading.actors.tally import Tally
from realtrading.domain.balances import LedgerLine
from realtrading.domain.breaker import BreakerBook
from realtrading.domain.orders import RealOrder
from realtrading.domain.positions import PositionBook
from realtrading.domain.risk import Commitment, RiskDay
from realtrading.domain.settings import Settings
from realtrading.domain.valuation import Valuation
from realtrading.domain.values import ZERO, Quote, SymbolRules
from realtrading.engine import OPERATOR, RealTradingEngine
from realtrading.journal.store import Journal
from realtrading.runtime.snapshot import ActorSnapshot
from realtrading.venue.port import VenueGauges


@attrs.frozen(kw_only=True)
class JournalFigures:
    """The journal's own numbers; None where the file is gone with its folder."""

    records: Mapping[str, int]
    size_bytes: int
    free_bytes: int | None
    failed: bool


@attrs.frozen(kw_only=True)
class View:
    """What the families are made of."""

    settings: Settings
    phase: str
    ready: bool
    tally: Tally
    gauges: VenueGauges
    orders: Mapping[str, RealOrder]
    books: Mapping[str, PositionBook]
    ledger: Mapping[str, LedgerLine]
    rules: Mapping[str, SymbolRules]
    commitments: Mapping[str, Commitment]
    day: RiskDay | None
    breaker: BreakerBook
    quotes: Mapping[str, Quote]
    journal: JournalFigures | None
    actors: tuple[ActorSnapshot, ...]
    watchdog_fed_utc_s: float | None = None
    log_records: Mapping[str, int] = attrs.field(factory=dict)
    residuals: Mapping[str, Decimal] = attrs.field(factory=dict)

    @property
    def valuation(self) -> Valuation:
        """What things are worth by these quotes."""
        return Valuation(reporting_asset=self.settings.reporting_asset, quotes=self.quotes, rules=self.rules)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The settings' symbols, then those that a position was left in."""
        held = (book.symbol for book in self.books.values() if book.quantity)
        return tuple(dict.fromkeys((*self.settings.symbols, *held)))

    @property
    def traders(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Who may submit, and in which symbols."""
        yield from ((strategy.name, strategy.symbols) for strategy in self.settings.strategies)
        yield OPERATOR, self.settings.symbols


def view_of(
    engine: RealTradingEngine,
    watchdog_fed_utc_s: Callable[[], float | None],
    log_records: Mapping[str, int],
) -> View:
    """The engine now."""
    return View(
        settings=engine.settings,
        phase=engine.phase,
        ready=engine.is_ready,
        tally=engine.tally,
        gauges=engine.gauges,
        orders=engine.orders,
        books=engine.position_books,
        ledger=engine.rows("balances", "ledger"),
        rules=engine.rows("risk", "rules"),
        commitments=engine.rows("risk", "commitments"),
        day=engine.rows("risk", "day").get("day"),
        breaker=engine.breaker_book,
        quotes=engine.quotes,
        journal=_figures(engine.journal),
        actors=engine.actors,
        watchdog_fed_utc_s=watchdog_fed_utc_s(),
        log_records=log_records,
        residuals=_residuals(engine),
    )


def _residuals(engine: RealTradingEngine) -> dict[str, Decimal]:
    """By how much each asset differed when last compared; 0 for those that trading touches."""
    measured = engine.rows("balances", "measured").get("measured")
    if measured is None:
        return {}
    traded = {asset for rules in engine.rows("risk", "rules").values() for asset in (rules.base, rules.quote)}
    return {**dict.fromkeys(sorted(traded), ZERO), **measured.residuals}


def _figures(journal: Journal | None) -> JournalFigures | None:
    if journal is None:
        return None
    try:
        free_bytes = journal.free_bytes
    except OSError:
        free_bytes = None
    return JournalFigures(
        records=journal.records_total, size_bytes=journal.size_bytes, free_bytes=free_bytes, failed=journal.failed
    )
