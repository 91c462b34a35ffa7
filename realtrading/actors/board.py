"""The quote board: symbol -> last quote. One writer (the market stream), read by whoever needs a price now."""
from __future__ import annotations

from collections.abc import Mapping

from realtrading.domain.values import Quote


class Board:
    """Last quotes. A quote is an immutable value, so a reader sees either the old or the new one, never a mixture."""

    def __init__(self) -> None:
        self._quotes: dict[str, Quote] = {}

    def put(self, quote: Quote) -> None:
        """Replace the symbol's quote."""
        self._quotes[quote.symbol] = quote

    def get(self, symbol: str) -> Quote | None:
        """The symbol's last quote, or None when none was heard yet."""
        return self._quotes.get(symbol)

    def quotes(self) -> Mapping[str, Quote]:
        """A copy of the whole board."""
        return dict(self._quotes)
