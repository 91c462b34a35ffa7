"""A reconciliation round as orders sees it: merge the snapshot's trades and open orders, then say what differed."""
from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from realtrading.domain.commands import CancelOrder, CompareBalances
from realtrading.domain.events import DiscrepancyFound, OrdersCompared, TradesCursorMoved
from realtrading.domain.orders import OrderState, RealOrder, merge, merge_trades
from realtrading.domain.reconciliation import Discrepancy, DiscrepancyKind, Resolution, changed_since, diff_orders
from realtrading.domain.reports import SnapshotTaken, TradeReport
from realtrading.domain.values import Now, SymbolRules

from . import order_claims, order_reset
from .keeper import Draft
from .order_events import ForeignNoted, TradesUnmatched, ask, by_our_clock, tell

if TYPE_CHECKING:
    from .orders import OrdersActor

SETTLING = timedelta(seconds=2)
"""A trade younger than this when the snapshot was asked for may simply still be under way to us; older, it was missed."""

READABLE = timedelta(seconds=15)
"""So old a trade is in every copy of the account's list. A younger one may be listed while one before it is still missing,
so the cursor stays below it, and the next round reads both."""


def cursor_of(draft: Draft, symbol: str) -> int:
    """The highest trade id of the symbol that is accounted for, or -1 when none was ever read."""
    cursor: int | None = draft.row("cursors", symbol)
    return -1 if cursor is None else cursor


def snapshot(self: OrdersActor, message: SnapshotTaken, now: Now, draft: Draft) -> None:
    """Merge one round's facts, heal what they heal, and hand the round on to balances."""
    generation: int | None = draft.row("generation", "generation")
    if [report for report in message.open_orders if order_claims.strange(self, report, draft)]:
        return  # and the round ends with the house
    if generation != message.generation:
        draft.say(OrdersCompared(token=message.token, discrepancies=(), pending=("generation changed",)))
        return
    if order_reset.suspected(message, now, draft):
        return
    found = list(merge_snapshot_trades(message, now, draft))
    move_cursors(message, draft)
    asked_at = by_our_clock(draft, message.asked_at, now)
    diff = diff_orders(draft.rows("orders"), message, self.prefix, moving_ids(draft, asked_at, now))
    for order_id, report in diff.merges:
        order: RealOrder | None = draft.row("orders", order_id)
        if order is not None:
            tell(draft, merge(order, report, now.utc), now, "reconciliation")
    pending = []
    for order_id in diff.missing:
        order = draft.row("orders", order_id)
        if order is not None and order.state is not OrderState.UNKNOWN:
            pending.append(order_id)
            ask(draft, order, now)
    for report in diff.adoptable:
        order_claims.claim(draft, report, now)
    found.extend(diff.discrepancies)
    for discrepancy in found:
        draft.say(DiscrepancyFound(discrepancy=discrepancy))
    cancel_stale(self, now, draft)
    pending.extend(draft.rows("unmatched"))
    draft.say(
        OrdersCompared(
            token=message.token,
            discrepancies=tuple(found),
            pending=tuple(pending),
            confirmed=not draft.rows("unmatched"),
        )
    )
    self.state_all(draft, message.token)
    draft.say(
        CompareBalances(
            snapshot=message,
            token=message.token,
            in_flight_assets=in_flight_assets(draft, asked_at, now),
            asked_at=asked_at,
        )
    )


def merge_snapshot_trades(message: SnapshotTaken, now: Now, draft: Draft) -> Iterable[Discrepancy]:
    """Give every trade above the cursor to its order; ask whose it is when no order of ours is known to have made it.

    What earlier rounds asked about lies above the cursor too, so it is here again: its order may be known by now.
    """
    for key in draft.rows("unmatched"):
        draft.say(TradesUnmatched(key=key, trades=None))
    groups: dict[tuple[str, int], list[TradeReport]] = {}
    for trade in message.trades:
        if trade.trade_id in order_claims.explained(draft, trade.symbol):
            continue
        groups.setdefault((trade.symbol, trade.exchange_order_id), []).append(trade)
    owners = {
        (order.symbol, order.exchange_order_id): order.id
        for order in draft.rows("orders").values()
        if order.exchange_order_id is not None
    }
    for (symbol, exchange_order_id), trades in groups.items():
        owner = owners.get((symbol, exchange_order_id))
        if owner is None:
            key = order_claims.unmatched_key(symbol, exchange_order_id)
            order_claims.question(draft, key, symbol, exchange_order_id, tuple(trades), trades[0].venue_at)
            continue
        merged = merge_trades(draft.row("orders", owner), trades, now.utc)
        tell(draft, merged, now, "reconciliation")
        missed = [fill for fill in merged.new_fills if fill.timestamp < message.asked_at - SETTLING]
        for fill in missed:
            yield Discrepancy(
                kind=DiscrepancyKind.FILL_MISSED,
                key=f"{owner} trade {fill.trade_id}",
                engine="not known",
                exchange=f"{fill.quantity} at {fill.price}",
                resolution=Resolution.HEALED,
                detail="the trade was in the account's trade list and in no report we heard",
            )


def move_cursors(message: SnapshotTaken, draft: Draft) -> None:
    """Move each symbol's cursor up to what is accounted for, always to a trade that the account has.

    Not beyond a trade whose order is still being asked about, nor to one that is not `READABLE` yet.
    """
    floor: dict[str, int] = {}
    for trades in draft.rows("unmatched").values():
        for trade in trades:
            floor[trade.symbol] = min(trade.trade_id, floor.get(trade.symbol, trade.trade_id))
    reached: dict[str, int] = {}
    for trade in message.trades:
        below = trade.trade_id < floor.get(trade.symbol, trade.trade_id + 1)
        if below and trade.venue_at <= message.asked_at - READABLE:
            reached[trade.symbol] = max(trade.trade_id, reached.get(trade.symbol, trade.trade_id))
    for symbol, newest in message.cursors.items():
        old: int | None = draft.row("cursors", symbol)
        to = newest if old is None else reached.get(symbol, old)
        if old is None or to > old:
            draft.say(TradesCursorMoved(symbol=symbol, trade_id=to))
            left = frozenset(each for each in order_claims.explained(draft, symbol) if each > to)
            draft.say(ForeignNoted(symbol=symbol, trade_ids=left))


def moving_ids(draft: Draft, asked_at: datetime, now: Now) -> frozenset[str]:
    """Orders that cannot be compared this round: in flight, or changed since the snapshot was asked for (our clock)."""
    return frozenset(
        order.id
        for order in draft.rows("orders").values()
        if order.state in (OrderState.PENDING, OrderState.UNKNOWN) or changed_since(order.updated_at, asked_at, now.utc)
    )


def in_flight_assets(draft: Draft, asked_at: datetime, now: Now) -> frozenset[str]:
    """Assets whose wallet may have moved since the snapshot was asked for: those of moving and of incomplete orders."""
    assets: set[str] = set()
    moving = moving_ids(draft, asked_at, now)
    symbols = {trade.symbol for trades in draft.rows("unmatched").values() for trade in trades}
    for order in draft.rows("orders").values():
        if order.id in moving or order.missing_quantity > 0:
            symbols.add(order.symbol)
            assets.update(fill.commission_asset for fill in order.fills)
    for symbol in symbols:
        rules: SymbolRules | None = draft.row("rules", symbol)
        if rules is not None:
            assets.update((rules.base, rules.quote, "BNB"))
    return frozenset(assets)


def cancel_stale(self: OrdersActor, now: Now, draft: Draft) -> None:
    """Cancel live orders of ours older than `stale_order_timeout_secs` that are not meant to rest."""
    limit = timedelta(seconds=self.config.stale_order_timeout_secs)
    for order in list(draft.rows("orders").values()):
        live = order.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED)
        if live and not order.rests and now.utc - order.created_at > limit:
            self.cancel(CancelOrder(id=order.id, by="stale_order_timeout_secs"), now, draft)
