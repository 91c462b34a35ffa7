"""Reconciliation as a pure diff between what the house holds and what the venue told.

A snapshot is a photograph of a moving thing, so three rules keep it from lying:
what is in flight or has changed since the snapshot was asked for is *not comparable* (the caller names it, by
`changed_since`); a fact about an order is merged whether comparable or not, because merging is safe;
and a difference counts only when a second look repeats it: an order by asking for it by id (`missing`), an asset by the
next round (`confirm`). Amounts are compared exactly: a tolerance is where errors live.
"""
from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import attrs

from .balances import LedgerLine
from .orders import MergeKind, OrderState, RealOrder, merge
from .reports import ExecutionReport, SnapshotTaken
from .values import ZERO, is_ours, plain

WEIGHT_PER_S: Final = 40
WEIGHT_AT_ONCE: Final = 1500
"""What rounds may use of the venue's 6000 a minute: so much at once, and so much a second. Orders and their fates need
the rest."""
CAUSE_WEIGHT: Final = 480
"""Asking for the cause of a difference: the names and the trades of a dozen symbols."""


def round_weight(symbols: int, *, first: bool = False) -> int:
    """The venue's weight of one round: open orders (6 for a symbol, 80 for all), trades (20, twice at first), 21 for the
    account and the time.
    """
    return min(6 * symbols, 80) + (40 if first else 20) * symbols + 21


class DiscrepancyKind(enum.StrEnum):
    """What differed."""

    ORDER_MISSING_AT_VENUE = "order_missing_at_venue"
    ORDER_UNKNOWN_TO_US = "order_unknown_to_us"
    ORDER_STATE = "order_state"
    FILL_MISSED = "fill_missed"
    FILL_GAP = "fill_gap"
    BALANCE_DRIFT = "balance_drift"
    EXTERNAL_TRADE = "external_trade"
    FOREIGN_ORDER = "foreign_order"


class Resolution(enum.StrEnum):
    """What was done about it."""

    HEALED = "healed"
    EXPLAINED = "explained"
    WATCHED = "watched"
    UNRESOLVED = "unresolved"


@attrs.frozen(kw_only=True)
class Discrepancy:
    """One difference: the key it is about, both sides as text, what was done and why."""

    kind: DiscrepancyKind
    key: str
    engine: str
    exchange: str
    resolution: Resolution
    detail: str


@attrs.frozen(kw_only=True)
class OrdersDiff:
    """What a snapshot's open orders mean for ours.

    `merges` are facts for known orders, `missing` ids that only a by-id answer can settle, `adoptable` orders with our
    prefix that nobody here knows, `foreign` everybody else's, a twin with a known order's client id among them.
    """

    discrepancies: tuple[Discrepancy, ...]
    merges: tuple[tuple[str, ExecutionReport], ...]
    missing: tuple[str, ...]
    foreign: tuple[ExecutionReport, ...]
    adoptable: tuple[ExecutionReport, ...]


NOT_OPEN: Final = "not open"
NOT_KNOWN: Final = "not known"


def changed_since(changed_at: datetime, asked_at: datetime, now_utc: datetime) -> bool:
    """True when what changed then cannot be compared with what was asked for (both by our clock).

    A moment ahead of our clock was written before somebody set it back: it tells nothing, and must not hide for an hour.
    """
    return asked_at <= changed_at <= now_utc


def diff_orders(
    orders: Mapping[str, RealOrder],
    snapshot: SnapshotTaken,
    prefix: str,
    not_comparable: Collection[str] = (),
) -> OrdersDiff:
    """Compare our orders with the venue's open ones. Merge the snapshot's trades first, or each shows as a gap.

    `not_comparable` are ids in flight or changed since `asked_at`: their facts are merged, their differences are none.
    An Unknown order, or one of a symbol the snapshot does not cover, can only be settled by asking for it.
    """
    by_exchange_id = {
        (order.symbol, order.exchange_order_id): order
        for order in orders.values()
        if order.exchange_order_id is not None
    }
    found: list[Discrepancy] = []
    merges, foreign, adoptable = [], [], []
    for report in snapshot.open_orders:
        order = _order_of(report, orders, by_exchange_id)
        if order is not None:
            merges.append((order.id, report))
            if order.id not in not_comparable:
                found.extend(_state_differs(order, report, snapshot))
        elif report.client_id in orders:
            foreign.append(report)
            found.append(_twin(report))
        elif is_ours(report.client_id, prefix):
            adoptable.append(report)
            found.append(_unknown_to_us(report))
        else:
            foreign.append(report)
            found.append(_foreign(report))
    open_here = {order_id for order_id, _ in merges}
    missing = []
    for order in orders.values():
        comparable = order.id not in not_comparable
        absent = order.id not in open_here
        gone = absent and comparable and order.is_active()
        if gone or order.missing_quantity or (absent and order.state is OrderState.UNKNOWN):
            missing.append(order.id)
        if comparable and order.missing_quantity:
            found.append(_gap(order))
        if gone and order.symbol in snapshot.cursors:
            found.append(_missing_at_venue(order))
    return OrdersDiff(
        discrepancies=tuple(found),
        merges=tuple(merges),
        missing=tuple(missing),
        foreign=tuple(foreign),
        adoptable=tuple(adoptable),
    )


def _order_of(
    report: ExecutionReport, orders: Mapping[str, RealOrder], by_exchange_id: Mapping[tuple[str, int], RealOrder]
) -> RealOrder | None:
    """Our order behind a report: by exchange id, else by client id while its exchange id is not known."""
    order = by_exchange_id.get((report.symbol, report.exchange_order_id))
    if order is not None:
        return order
    named = orders.get(report.client_id)
    return named if named is not None and (named.symbol, named.exchange_order_id) == (report.symbol, None) else None


def _state_differs(order: RealOrder, report: ExecutionReport, snapshot: SnapshotTaken) -> Iterable[Discrepancy]:
    """What merging the venue's word would change; a final order that the venue still shows open is only asked about."""
    merged = merge(order, report, snapshot.answered_at)
    if merged.kind is MergeKind.NOTHING or (merged.kind is MergeKind.ASK and order.missing_quantity):
        return
    healed = merged.kind is not MergeKind.ASK
    yield Discrepancy(
        kind=DiscrepancyKind.ORDER_STATE,
        key=order.id,
        engine=f"{order.state} {plain(order.executed_quantity)}",
        exchange=f"{report.status} {plain(report.executed_quantity)}",
        resolution=Resolution.HEALED if healed else Resolution.WATCHED,
        detail="the venue's facts were merged" if healed else merged.detail,
    )


def _missing_at_venue(order: RealOrder) -> Discrepancy:
    return Discrepancy(
        kind=DiscrepancyKind.ORDER_MISSING_AT_VENUE,
        key=order.id,
        engine=f"{order.state} {plain(order.executed_quantity)}",
        exchange=NOT_OPEN,
        resolution=Resolution.WATCHED,
        detail="asked for by id",
    )


def _gap(order: RealOrder) -> Discrepancy:
    return Discrepancy(
        kind=DiscrepancyKind.FILL_GAP,
        key=order.id,
        engine=plain(order.fills_quantity),
        exchange=plain(order.executed_quantity),
        resolution=Resolution.WATCHED,
        detail="more is executed than the trades we were told; its trades are asked for",
    )


def _unknown_to_us(report: ExecutionReport) -> Discrepancy:
    return Discrepancy(
        kind=DiscrepancyKind.ORDER_UNKNOWN_TO_US,
        key=report.client_id,
        engine=NOT_KNOWN,
        exchange=f"{report.status} {plain(report.executed_quantity)}",
        resolution=Resolution.HEALED,
        detail="an order with our prefix that this journal does not know: adopted",
    )


def _twin(report: ExecutionReport) -> Discrepancy:
    """Two orders under one client id of ours: nothing this house does leads there, so a person has to look."""
    return Discrepancy(
        kind=DiscrepancyKind.ORDER_UNKNOWN_TO_US,
        key=f"{report.symbol}:{report.exchange_order_id}",
        engine=f"{report.client_id} is another order",
        exchange=f"{report.status} {plain(report.executed_quantity)}",
        resolution=Resolution.UNRESOLVED,
        detail="a second order carries the client id of one we know; it is not adopted",
    )


def _foreign(report: ExecutionReport) -> Discrepancy:
    return Discrepancy(
        kind=DiscrepancyKind.FOREIGN_ORDER,
        key=f"{report.symbol}:{report.exchange_order_id}",
        engine=NOT_KNOWN,
        exchange=f"{report.status} {plain(report.executed_quantity)}",
        resolution=Resolution.EXPLAINED,
        detail=f"{report.client_id} was not sent by this house",
    )


def diff_balances(
    lines: Mapping[str, LedgerLine], snapshot: SnapshotTaken, skip_assets: Collection[str] = ()
) -> list[Discrepancy]:
    """Compare every asset's ledger total with what the account holds, exactly. An asset that only one side has is 0
    there; `skip_assets` are not compared.
    """
    found = []
    for asset, residual in residuals(lines, snapshot, skip_assets).items():
        ours = lines[asset].total if asset in lines else ZERO
        found.append(
            Discrepancy(
                kind=DiscrepancyKind.BALANCE_DRIFT,
                key=asset,
                engine=plain(ours),
                exchange=plain(ours + residual),
                resolution=Resolution.WATCHED,
                detail=f"exchange - engine = {plain(residual)}",
            )
        )
    return found


def residuals(
    lines: Mapping[str, LedgerLine], snapshot: SnapshotTaken, skip_assets: Collection[str] = ()
) -> dict[str, Decimal]:
    """By how much the account holds more than the ledger says, for each asset that differs; as `diff_balances`."""
    found = {}
    for asset in sorted({*lines, *snapshot.balances}):
        line = lines.get(asset)
        if asset in skip_assets:
            continue
        ours = ZERO if line is None else line.total
        theirs = sum(snapshot.balances.get(asset, ()), ZERO)
        if ours != theirs:
            found[asset] = theirs - ours
    return found


def confirm(previous: Iterable[Discrepancy], current: Iterable[Discrepancy]) -> tuple[Discrepancy, ...]:
    """The current differences; those only watched so far and found again (same kind and key) are now unresolved.

    "Again" means by the same amount, or for something already unresolved by any: while the house trades, each photograph
    may catch another fill that is still on its way to us, and then the amounts differ.
    """
    before = {(each.kind, each.key): each for each in previous if each.resolution in _OPEN}

    def again(each: Discrepancy) -> bool:
        known = before.get((each.kind, each.key))
        return known is not None and (known.detail == each.detail or known.resolution is Resolution.UNRESOLVED)

    return tuple(
        attrs.evolve(each, resolution=Resolution.UNRESOLVED)
        if each.resolution is Resolution.WATCHED and again(each)
        else each
        for each in current
    )


_OPEN = frozenset({Resolution.WATCHED, Resolution.UNRESOLVED})
