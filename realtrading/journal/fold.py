"""What follows from a journal's events alone: the tables they leave behind, and the money that trades moved."""

from __future__ import annotations

import decimal
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from realtrading.domain.events import (
    BalanceUpdated,
    Event,
    OrderEvent,
    PositionBookSettled,
    PositionCut,
    PositionEvent,
)
from realtrading.domain.orders import OrderFill
from realtrading.domain.values import EXACT, ZERO, Side
from realtrading.errors import HouseError
from realtrading.journal.records import AccountRebased, rows_of


@attrs.frozen(kw_only=True)
class EngineLedger:
    """Per asset what the house holds by its own book: `totals` = `opening` + `trades` - `fees`.

    `opening` is the first word about an asset; `trades` and `fees` come from the fills of our orders and from nothing
    else. `flows` (asset -> kind -> amount) lists what moved without a trade of ours, by the ledger's last word; it is
    not in `totals`. `fills` counts distinct trades.
    """

    opening: Mapping[str, Decimal]
    trades: Mapping[str, Decimal]
    fees: Mapping[str, Decimal]
    flows: Mapping[str, Mapping[str, Decimal]]
    fills: int

    @property
    def totals(self) -> dict[str, Decimal]:
        """Asset -> amount, for every asset named by an opening, a trade or a fee."""
        assets = sorted({*self.opening, *self.trades, *self.fees})
        with decimal.localcontext(EXACT):
            return {
                asset: self.opening.get(asset, ZERO) + self.trades.get(asset, ZERO) - self.fees.get(asset, ZERO)
                for asset in assets
            }


def fold_rows(events: Iterable[Event]) -> dict[str, dict[str, Any]]:
    """The tables that events leave behind when their rows are put one after another: what `current` must be."""
    tables: dict[str, dict[str, Any]] = {}
    for event in events:
        for table, key, value in rows_of(event, tables.get("seen_runs", {})):
            rows = tables.setdefault(table, {})
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
    return tables


def fold_ledger(events: Iterable[Event], symbols: Mapping[str, tuple[str, str]] | None = None) -> EngineLedger:
    """Fold the money out of a journal's events, since the last rebase if there was one. `symbols` gives (base, quote) of
    symbols for which no position was ever booked.

    Raises `HouseError` for a traded symbol whose base and quote nobody told.
    """
    pairs = dict(symbols or {})
    opening: dict[str, Decimal] = {}
    flows: dict[str, Mapping[str, Decimal]] = {}
    fills: dict[tuple[str, int], tuple[Side, OrderFill]] = {}
    for event in events:
        if isinstance(event, AccountRebased):
            for told in (opening, flows, fills):
                told.clear()
        elif isinstance(event, OrderEvent):
            fills.update(((event.order.symbol, fill.trade_id), (event.order.side, fill)) for fill in event.order.fills)
        elif isinstance(event, BalanceUpdated):
            if event.line.opened:
                opening.setdefault(event.asset, event.line.opening)
            flows[event.asset] = event.line.flows
        elif isinstance(event, (PositionEvent, PositionCut, PositionBookSettled)):
            pairs[event.book.symbol] = (event.book.base, event.book.quote)
    trades, fees = _effects(fills, pairs)
    moved = {asset: kinds for asset, kinds in flows.items() if any(kinds.values())}
    return EngineLedger(opening=opening, trades=trades, fees=fees, flows=moved, fills=len(fills))


def _effects(
    fills: Mapping[tuple[str, int], tuple[Side, OrderFill]], pairs: Mapping[str, tuple[str, str]]
) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    trades: dict[str, Decimal] = {}
    fees: dict[str, Decimal] = {}
    with decimal.localcontext(EXACT):
        for (symbol, _), (side, fill) in fills.items():
            if symbol not in pairs:
                raise HouseError(f"nobody told base and quote of {symbol}")
            base, quote = pairs[symbol]
            sign = 1 if side is Side.BUY else -1
            trades[base] = trades.get(base, ZERO) + sign * fill.quantity
            trades[quote] = trades.get(quote, ZERO) - sign * fill.quote_quantity
            if fill.commission:
                fees[fill.commission_asset] = fees.get(fill.commission_asset, ZERO) + fill.commission
    return trades, fees
