"""A replayed stream as one JSON object, and in words."""

from __future__ import annotations

from typing import Any

from realtrading.domain.orders import OrderFill
from realtrading.domain.values import plain

from .replay_events import Replay, Replayed
from .replay_gaps import Gap

SCHEMA = 1
SHOWN_MAX = 100
"""Quarantined parts that are told one by one; all are counted."""


def as_object(found: Replay, file: str) -> dict[str, Any]:
    """Everything. Amounts are plain decimal texts, times UTC in ISO 8601."""
    return {
        "schema": SCHEMA,
        "command": "replay-events",
        "file": file,
        "documents": found.documents,
        "execution_reports": found.reports,
        "other_events": dict(sorted(found.others.items())),
        "quarantined": len(found.quarantined),
        "quarantine": [
            {"line": one.line, "offset": one.offset, "problem": one.problem} for one in found.quarantined[:SHOWN_MAX]
        ],
        "orders": [_order(one) for one in found.orders],
    }


def as_text(found: Replay) -> str:
    """A paragraph per order, then what was read and what was not."""
    lines = [line for one in found.orders for line in _lines(one)]
    lines += [f"quarantined: line {one.line}, byte {one.offset}: {one.problem}" for one in found.quarantined[:SHOWN_MAX]]
    if len(found.quarantined) > SHOWN_MAX:
        lines.append(f"quarantined: {len(found.quarantined) - SHOWN_MAX} more")
    others = sum(found.others.values())
    lines.append(
        f"{found.documents} documents: {found.reports} execution reports of {len(found.orders)} orders, "
        f"{others} other events, {len(found.quarantined)} quarantined"
    )
    return "\n".join(lines)


def _order(one: Replayed) -> dict[str, Any]:
    order = one.order
    return {
        "id": order.id,
        "symbol": order.symbol,
        "exchange_order_id": order.exchange_order_id,
        "side": order.side.value,
        "type": str(order.order_type),
        "state": order.state.value,
        "reason": order.reason,
        "quantity": plain(order.executed_quantity),
        "quote": plain(order.cumulative_quote),
        "average": plain(order.average_fill_price),
        "fees": {asset: plain(amount) for asset, amount in one.fees.items()},
        "fills_quantity": plain(order.fills_quantity),
        "fills": [_fill(fill) for fill in order.fills],
        "gaps": [_gap(gap) for gap in one.gaps],
        "doubts": list(one.doubts),
    }


def _fill(fill: OrderFill) -> dict[str, Any]:
    return {
        "trade_id": fill.trade_id,
        "at": fill.timestamp.isoformat(),
        "price": plain(fill.price),
        "quantity": plain(fill.quantity),
        "quote": plain(fill.quote_quantity),
        "fee": plain(fill.commission),
        "fee_asset": fill.commission_asset,
        "maker": fill.is_maker,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    told = {"kind": gap.kind, "from": plain(gap.start), "to": plain(gap.stop), "quantity": plain(gap.quantity)}
    return {**told, **({"quote": plain(gap.quote)} if gap.kind == "fill" else {}), "text": str(gap)}


def _lines(one: Replayed) -> list[str]:
    order = one.order
    fees = ", ".join(f"{plain(amount)} {asset}" for asset, amount in one.fees.items()) or "none"
    average = f", average {plain(order.average_fill_price)}" if order.executed_quantity else ""
    why = f" ({order.reason})" if order.reason else ""
    lines = [
        f"{order.id} ({order.symbol} {order.side} {order.order_type} {order.exchange_order_id}): {order.state}{why}, "
        f"{plain(order.executed_quantity)} for {plain(order.cumulative_quote)}{average}, fees {fees}"
    ]
    lines += [
        f"  trade {fill.trade_id}: {plain(fill.quantity)} at {plain(fill.price)} for {plain(fill.quote_quantity)}, "
        f"fee {plain(fill.commission)} {fill.commission_asset}".rstrip()
        for fill in order.fills
    ]
    lines += [f"  {gap}" for gap in one.gaps]
    return [*lines, *(f"  doubt: {doubt}" for doubt in one.doubts)]
