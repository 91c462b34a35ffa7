"""What is missing in the tale of an order: executed quantity whose trade nobody told, and an end nobody told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Literal

import attrs

from realtrading.domain.orders import RealOrder
from realtrading.domain.reports import ExecutionReport
from realtrading.domain.values import ZERO, plain


@attrs.frozen(kw_only=True)
class Gap:
    """One thing that is missing. A `fill`: what lies between the cumulative quantities `start` and `stop` was executed
    for `quote`, by a trade whose price and fee nobody told. An `end`: `stop` is executed so far, and the order still
    works, or its last reports are missing.
    """

    kind: Literal["fill", "end"]
    start: Decimal
    stop: Decimal
    quote: Decimal

    @property
    def quantity(self) -> Decimal:
        """Base units."""
        return self.stop - self.start

    def __str__(self) -> str:
        if self.kind == "end":
            return f"no end told: it still works, or reports after {plain(self.start)} executed are missing"
        return (
            f"fill missing: {plain(self.quantity)} executed (from {plain(self.start)} to {plain(self.stop)}) "
            f"for {plain(self.quote)}, trade and fee unknown"
        )


def gaps_of(order: RealOrder, traded: Iterable[ExecutionReport]) -> tuple[Gap, ...]:
    """Every gap of the order; `traded` are the reports that carried its fills, one trade each."""
    holes = tuple(_holes(order, traded)) if order.missing_quantity else ()
    if sum((hole.quantity for hole in holes), ZERO) != order.missing_quantity:
        # the cumulative quantities contradict each other: only the sum can be named
        quote = order.cumulative_quote - sum((fill.quote_quantity for fill in order.fills), ZERO)
        holes = (Gap(kind="fill", start=order.fills_quantity, stop=order.executed_quantity, quote=quote),)
    if order.is_terminal():
        return holes
    done = order.executed_quantity
    return (*holes, Gap(kind="end", start=done, stop=max(order.original_quantity, done), quote=ZERO))


def _holes(order: RealOrder, traded: Iterable[ExecutionReport]) -> Iterator[Gap]:
    """Walk along the executed quantity: what no trade covers is a hole."""
    quantity = quote = ZERO
    for report in sorted(traded, key=lambda report: report.executed_quantity):
        (trade,) = report.trades
        start, quote_start = report.executed_quantity - trade.quantity, report.cumulative_quote - trade.quote_quantity
        if start > quantity:
            yield Gap(kind="fill", start=quantity, stop=start, quote=quote_start - quote)
        quantity, quote = report.executed_quantity, report.cumulative_quote
    if order.executed_quantity > quantity:
        yield Gap(kind="fill", start=quantity, stop=order.executed_quantity, quote=order.cumulative_quote - quote)
