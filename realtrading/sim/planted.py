"""Planted lies for a judge's self-test: the answers change, the truth does not."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from .numbers import ZERO
from .orders import Fill


class PlantedLies:
    """What the exchange hides or distorts in what it tells an account.

    `account_offset`: added to the free balance of an asset in the account answer only, for every account.
    """

    def __init__(self) -> None:
        self.account_offset: dict[str, Decimal] = {}
        self._hide: Callable[[Fill], bool] | None = None
        self._hidden: dict[tuple[int, str], Decimal] = {}

    def hide_trade(self, predicate: Callable[[Fill], bool] | None = None) -> None:
        """Hide the next fill for which `predicate` is true (any fill without one), once.

        It then appears in no user event, order answer, account answer or my-trades; the ledger of truth keeps it.
        """
        self._hide = predicate if predicate is not None else lambda fill: True

    def hides(self, fill: Fill) -> bool:
        """Whether this fill is the one to hide; disarms."""
        if self._hide is None or not self._hide(fill):
            return False
        self._hide = None
        return True

    def conceal(self, fill: Fill, base: str, quote: str) -> None:
        """Remember what a hidden fill did to the balances."""
        sign = 1 if fill.is_buyer else -1
        self._shift(fill.uid, base, sign * fill.qty)
        self._shift(fill.uid, quote, -sign * fill.quote)
        self._shift(fill.uid, fill.fee_asset, -fill.fee)

    def shown(self, uid: int, asset: str, free: Decimal) -> Decimal:
        """The free balance as if the hidden fills had not happened."""
        change = self._hidden.get((uid, asset))
        return free if change is None else max(ZERO, free - change)

    def _shift(self, uid: int, asset: str, amount: Decimal) -> None:
        self._hidden[uid, asset] = self._hidden.get((uid, asset), ZERO) + amount
