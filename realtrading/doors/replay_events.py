"""`realtrading replay-events`: a recorded user stream through the code that trades, and what became of each order.

Reports are merged in the order of the file. An order is first known as its earliest report has it, wherever that
stands, as the house knows its own orders before the venue speaks of them.
"""

from __future__ import annotations

import decimal
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from realtrading.domain.orders import RealOrder, merge, order_from_report
from realtrading.domain.reports import ExecutionReport, ExecutionReported, TradeReport
from realtrading.domain.values import EXACT, ZERO, Role
from realtrading.errors import BadInput
from realtrading.venue.recording import documents
from realtrading.venue.translate import Malformed, user_event

from .replay_gaps import Gap, gaps_of

FILE_MAX = 512 * 1024 * 1024
"""Largest file that is read, bytes."""


@attrs.frozen(kw_only=True)
class Quarantined:
    """A part of the file that was not merged, where it stands, and why."""

    line: int
    offset: int
    problem: str


@attrs.frozen(kw_only=True)
class Replayed:
    """An order at the end of the file. `doubts` are facts that contradict each other and were not believed."""

    order: RealOrder
    gaps: tuple[Gap, ...]
    doubts: tuple[str, ...]

    @property
    def fees(self) -> dict[str, Decimal]:
        """Asset -> sum over the known fills."""
        found: dict[str, Decimal] = {}
        with decimal.localcontext(EXACT):
            for fill in self.order.fills:
                if fill.commission:
                    found[fill.commission_asset] = found.get(fill.commission_asset, ZERO) + fill.commission
        return dict(sorted(found.items()))


@attrs.frozen(kw_only=True)
class Replay:
    """What a file told. `others` counts events of other kinds than execution reports."""

    documents: int
    reports: int
    others: Mapping[str, int]
    orders: tuple[Replayed, ...]
    quarantined: tuple[Quarantined, ...]


@attrs.define
class _Tale:
    """Everything told about one order, in the order of the file."""

    reports: list[ExecutionReport] = attrs.field(factory=list)
    trades: dict[int, TradeReport] = attrs.field(factory=dict)


def read(path: Path) -> bytes:
    """The file's bytes. Raises `BadInput` (2)."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX + 1)
    except OSError as error:
        raise BadInput(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if len(data) > FILE_MAX:
        raise BadInput(f"{path}: is larger than {FILE_MAX} bytes")
    if not data.strip():
        raise BadInput(f"{path}: holds no events")
    return data


def replay(data: bytes) -> Replay:
    """Read everything, merge what can be read, and name what cannot."""
    tales: dict[tuple[str, int], _Tale] = {}
    quarantined: list[Quarantined] = []
    others: Counter[str] = Counter()
    count = reports = 0
    for document in documents(data):
        count += 1
        place = Quarantined(line=document.line, offset=document.offset, problem=document.problem)
        event: Any = {} if document.problem else document.value.get("event", document.value)
        told = Malformed(what="document", detail=document.problem) if document.problem else user_event(event, 0)
        if isinstance(told, Malformed):
            what = "" if document.problem else f"{told.what}: "
            quarantined.append(attrs.evolve(place, problem=f"{what}{told.detail}"))
        elif isinstance(told, ExecutionReported):
            tale = tales.setdefault((told.report.symbol, told.report.exchange_order_id), _Tale())
            problem = _unmergeable(told.report, tale)
            if problem:
                quarantined.append(attrs.evolve(place, problem=problem))
                continue
            reports += 1
            tale.reports.append(told.report)
            tale.trades.update((trade.trade_id, trade) for trade in told.report.trades)
        else:
            others[event["e"]] += 1
    with decimal.localcontext(EXACT):
        orders = [_merged(tale) for tale in tales.values() if tale.reports]
    orders.sort(key=lambda one: (one.order.created_at, one.order.symbol, one.order.exchange_order_id))
    return Replay(
        documents=count, reports=reports, others=dict(others), orders=tuple(orders), quarantined=tuple(quarantined)
    )


def _unmergeable(report: ExecutionReport, tale: _Tale) -> str:
    """Why a report that can be read must not be merged; empty when it may. Nobody can be asked here, so what is in
    doubt stays out.
    """
    if tale.reports and report.side is not tale.reports[0].side:
        return f"executionReport: order {report.exchange_order_id} was told with another side before"
    for trade in report.trades:
        if tale.trades.get(trade.trade_id, trade) != trade:
            return f"executionReport: trade {trade.trade_id} was told differently before"
    return ""


def _merged(tale: _Tale) -> Replayed:
    """The order that one tale makes."""
    first = min(tale.reports, key=lambda report: (report.venue_at, report.executed_quantity, report.client_id))
    order = order_from_report(first, first.venue_at, strategy="", role=Role.ENTRY)
    doubts: set[str] = set()
    for report in tale.reports:
        merged = merge(order, report, report.venue_at)
        order = merged.order
        if merged.ask and not order.missing_quantity:
            doubts.add(merged.detail)
    return Replayed(order=order, gaps=gaps_of(order, _traded(tale.reports)), doubts=tuple(sorted(doubts)))


def _traded(reports: Iterable[ExecutionReport]) -> list[ExecutionReport]:
    """The reports that carry trades, each trade once."""
    return list({report.trades[0].trade_id: report for report in reports if report.trades}.values())
