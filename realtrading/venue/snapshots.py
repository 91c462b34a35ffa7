"""One reconciliation round's questions, in an order that lets nothing slip between two of their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from realtrading.domain.commands import TakeSnapshot
from realtrading.domain.reports import ExecutionReport, SnapshotTaken, TradeReport
from realtrading.errors import VenueUnknown

from .lookups import Lookups

ALL_AT_ONCE: Final = 14
"""From so many symbols on, the open orders of all are cheaper in one question (80 weight) than one by one (6 each)."""


async def take(
    lookups: Lookups, command: TakeSnapshot, mono: Callable[[], float], still: Callable[[], None]
) -> SnapshotTaken:
    """The whole answer of the venue. `still` raises when the generation it is asked in is over.

    Raises `ReadFailed` and `VenueUnknown`: a part that is missing is no snapshot.
    """
    still()
    asked_at = await lookups.time()
    began = mono()
    open_orders = await _open_orders(lookups, command.symbols)
    trades: list[TradeReport] = []
    cursors: dict[str, int] = {}
    gone: list[str] = []
    for symbol in command.symbols:
        newer, cursors[symbol], there = await lookups.trades_from(symbol, command.cursors.get(symbol, -1))
        trades += newer
        gone += [] if there else [symbol]
    account = await lookups.account()
    await _untouched(lookups, command, cursors)
    still()
    return SnapshotTaken(
        token=command.token,
        generation=command.generation,
        account_uid=account.uid,
        asked_at=asked_at,
        answered_at=asked_at + timedelta(seconds=mono() - began),
        open_orders=tuple(open_orders),
        trades=tuple(trades),
        cursors=cursors,
        balances=account.balances,
        gone=tuple(gone),
    )


async def _open_orders(lookups: Lookups, symbols: Sequence[str]) -> list[ExecutionReport]:
    if len(symbols) < ALL_AT_ONCE:
        return [order for symbol in symbols for order in await lookups.open_orders(symbol)]
    return [order for order in await lookups.open_orders() if order.symbol in symbols]


async def _untouched(lookups: Lookups, command: TakeSnapshot, cursors: Mapping[str, int]) -> None:
    """A first cursor stands for all that the balances hold: nothing may have traded between the two readings.

    Such a trade would be in the opening balance and, being above the cursor, be booked a second time.
    """
    for symbol in command.symbols:
        if command.cursors.get(symbol, -1) < 0:
            _, newest = await lookups.trades_after(symbol, -1)
            if newest != cursors[symbol]:
                raise VenueUnknown(f"{symbol} traded while the first snapshot was taken")
