"""`realtrading journal orders` and `journal order ID` in words and as JSON: what a journal knows about orders."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from realtrading.domain.orders import OrderFill, RealOrder
from realtrading.domain.values import plain
from realtrading.doors.socket.facts import order_facts
from realtrading.errors import BadInput
from realtrading.journal.life import effect_of, life_of
from realtrading.journal.readers import opened, read_orders
from realtrading.journal.records import Stored

from .verdicts import SCHEMA, Told

EXIT_NOT_FOUND = 8
TRADES_AT = 75
"""Where the trades of one record stand, a line each, when it has several."""


def orders_told(path: Path) -> Told:
    """The orders that the house holds now, newest last."""
    orders = sorted(read_orders(path).values(), key=lambda order: (order.created_at, order.id))
    object_ = {
        "schema": SCHEMA,
        "command": "journal orders",
        "path": str(path),
        "orders": [_order_facts(order) for order in orders],
    }
    if not orders:
        return object_, ["no orders: none was recorded, or all are archived"]
    width = max(len(order.id) for order in orders)
    lines = [f"{order.id:<{width}}  {_order_words(order)}" for order in orders]
    return object_, [*lines, f"next: realtrading journal order {path} ID tells a life"]


def life_told(path: Path, order_id: str) -> Told:
    """One order's life, a line per record. Raises `BadInput` (8) for an order that the journal does not know."""
    life = life_of(path, order_id)
    if not life:
        sentence = f"journal {path} knows no order {order_id!r}; realtrading journal orders {path} lists them"
        raise BadInput(sentence, exit_code=EXIT_NOT_FOUND)
    steps = [_step(one, order_id) for one in life]
    with opened(path) as reader:
        runs = {run.run: run.code_version for run in reader.runs()}
    object_ = {
        "schema": SCHEMA,
        "command": "journal order",
        "path": str(path),
        "id": order_id,
        "code_versions": {str(one.run): runs.get(one.run) for one in life},
        "steps": steps,
    }
    return object_, [f"{order_id}: {len(steps)} records", *map(_line, steps)]


def _order_facts(order: RealOrder) -> dict[str, Any]:
    return {**order_facts(order), "average_price": plain(order.average_fill_price), "fills": len(order.fills)}


def _order_words(order: RealOrder) -> str:
    asked = plain(order.original_quantity) if order.quote_quantity is None else f"for {plain(order.quote_quantity)}"
    at = "" if order.price is None else f" at {plain(order.price)}"
    filled = f", {plain(order.executed_quantity)} filled" if order.executed_quantity else ""
    gap = f", {plain(order.missing_quantity)} of it without a known trade" if order.missing_quantity else ""
    why = f" ({order.reason})" if order.reason else ""
    return f"{order.state.value:<15} {order.symbol} {order.side} {order.order_type} {asked}{at}{filled}{gap}{why}"


def _step(one: Stored, order_id: str) -> dict[str, Any]:
    """One record: where it stands, the chain of letters it belongs to, and what it says of the order or its money."""
    step: dict[str, Any] = {
        "seq": one.seq,
        "run": one.run,
        "letter": one.letter_seq,
        "cause": one.cause,
        "sender": one.sender,
        "at": one.at.isoformat(),
        "type": one.type,
    }
    order = getattr(one.event, "order", None)
    if isinstance(order, RealOrder):
        step |= {
            "state": order.state.value,
            "quantity": plain(order.original_quantity),
            "executed": plain(order.executed_quantity),
            "cumulative_quote": plain(order.cumulative_quote),
            "missing": plain(order.missing_quantity),
        }
    fills = getattr(one.event, "fills", ())
    if fills:
        step["fills"] = [_fill(fill) for fill in fills]
    book = getattr(one.event, "book", None)
    if book is not None:
        step["position"] = plain(book.quantity)
    effect = effect_of(one, order_id)
    if effect is not None:
        step |= {"asset": effect[0], "effect": plain(effect[1])}
    detail = str(getattr(one.event, "reason", "") or getattr(one.event, "detail", "") or "")
    if detail:
        step["detail"] = detail
    return step


def _fill(fill: OrderFill) -> dict[str, Any]:
    return {
        "trade_id": fill.trade_id,
        "price": plain(fill.price),
        "quantity": plain(fill.quantity),
        "quote": plain(fill.quote_quantity),
        "fee": plain(fill.commission),
        "fee_asset": fill.commission_asset,
    }


def _line(step: dict[str, Any]) -> str:
    chain = f"{step['run']}:{step['letter']}" + ("" if step["cause"] is None else f" < {step['cause']}")
    words = []
    if "state" in step:
        words.append(f"{step['state']}, {step['executed']} of {step['quantity']} filled for {step['cumulative_quote']}")
        if step["missing"] != "0":
            words.append(f"{step['missing']} without a known trade")
    trades = [
        f"trade {fill['trade_id']}: {fill['quantity']} at {fill['price']}, fee {fill['fee']} {fill['fee_asset']}".rstrip()
        for fill in step.get("fills", ())
    ]
    below = "".join(f"\n{'':<{TRADES_AT}}{trade}" for trade in trades) if len(trades) > 1 else ""
    words += [f"{len(trades)} trades"] if below else trades
    if "position" in step:
        words.append(f"position {step['position']}")
    if "effect" in step:
        words.append(f"ledger: {step['effect']} {step['asset']}")
    if "detail" in step:
        words.append(step["detail"])
    return f"#{step['seq']:<7} {_clock(step['at'])}  {chain:<16} {step['type']:<22} {'; '.join(words)}".rstrip() + below


def _clock(at: str) -> str:
    """An ISO moment as people read it: UTC, to the millisecond."""
    return datetime.fromisoformat(at).isoformat(" ", "milliseconds")[:23]
