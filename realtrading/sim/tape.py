"""Market tapes: recorded trades in Binance's public form, held compactly, and the rules they imply."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import attrs

from .numbers import GRAIN, decimals_of
from .rules import PercentPrice, SymbolRules
from .synthetic import generate, typical_price
from .tape_file import Row, TapeError, read_rows
from .tape_symbol import split_symbol, symbol_of

__all__ = ["Tape", "TapeError", "Trade"]

_MIN_NOTIONAL = {"BTC": "0.0001", "ETH": "0.001", "BNB": "0.01", "TRY": "10", "JPY": "100", "BRL": "10"}
_DOLLARS = frozenset({"USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USDP", "DAI", "USD", "EUR", "GBP", "AUD"})


@attrs.frozen(slots=True)
class Trade:
    """One recorded trade. `offset_ms` counts from the tape's first trade; `buy` is the aggressor's side."""

    offset_ms: int
    price: Decimal
    qty: Decimal
    buy: bool


@attrs.define(eq=False)
class Tape:
    """Recorded (or generated) trades of one symbol, in time order."""

    symbol: str
    base: str
    quote: str
    start_ms: int
    _offsets: array[int] = attrs.field(factory=lambda: array("q"), repr=False)
    _prices: list[Decimal] = attrs.field(factory=list, repr=False)
    _qtys: list[Decimal] = attrs.field(factory=list, repr=False)
    _buys: bytearray = attrs.field(factory=bytearray, repr=False)

    @classmethod
    def load(
        cls, path: Path | str, symbol: str | None = None, *, base: str | None = None, quote: str | None = None
    ) -> Tape:
        """Read a trades file: CSV as Binance publishes it, plain, .gz or .zip, with or without a header line.

        `symbol` defaults to the beginning of the file's name, `base` and `quote` to the symbol split at its longest
        known quote asset. Raises TapeError, one sentence that names the file and the line.
        """
        path = Path(path)
        rows = read_rows(path)
        symbol = symbol_of(path, symbol)
        base, quote = split_symbol(path, symbol, base, quote)
        tape = cls.of(symbol, base, quote, rows)
        if len(tape) < 2:
            raise TapeError(f"{path}: a tape needs at least two trades, this one has {len(tape)}")
        return tape

    @classmethod
    def synthetic(
        cls,
        symbol: str,
        seed: int,
        *,
        base: str | None = None,
        quote: str | None = None,
        trades: int = 20_000,
        span_ms: int = 3_600_000,
        price: Decimal | None = None,
    ) -> Tape:
        """A generated tape of `trades` trades over about `span_ms`, the same for the same arguments.

        The price waves around its mean `price` (default: a plausible one for the assets), so that both sides get
        their turn and the tape can be played in a loop. Raises TapeError for a symbol that cannot be split.
        """
        symbol = symbol_of(Path(symbol), symbol)
        base, quote = split_symbol("the generated tape", symbol, base, quote)
        mean = price if price is not None else typical_price(base, quote)
        return cls.of(symbol, base, quote, generate(random.Random(f"{seed}/{symbol}"), mean, quote, trades, span_ms))

    @classmethod
    def of(cls, symbol: str, base: str, quote: str, rows: Iterable[Row]) -> Tape:
        """A tape of these rows; a time that goes back counts as the latest seen."""
        tape = cls(symbol, base, quote, 0)
        seen: dict[Decimal, Decimal] = {}
        latest = None
        for row in rows:
            if latest is None:
                tape.start_ms = latest = row.time_ms
            latest = max(latest, row.time_ms)
            tape._offsets.append(latest - tape.start_ms)
            tape._prices.append(seen.setdefault(row.price, row.price))
            tape._qtys.append(seen.setdefault(row.qty, row.qty))
            tape._buys.append(row.buy)
        return tape

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> Trade:
        return Trade(self._offsets[index], self._prices[index], self._qtys[index], bool(self._buys[index]))

    def offset_ms(self, index: int) -> int:
        """When the trade happened, in milliseconds after the first."""
        return self._offsets[index]

    @property
    def span_ms(self) -> int:
        """From the first trade to the last."""
        return self._offsets[-1] if self._offsets else 0

    def moves(self) -> int:
        """How often the price changed from one trade to the next."""
        return sum(1 for before, after in zip(self._prices, self._prices[1:], strict=False) if before != after)

    def quantities(self, limit: int = 2000) -> list[Decimal]:
        """A sample of the traded quantities, spread evenly over the tape, in ascending order."""
        return sorted(self._qtys[:: max(1, len(self) // limit)])

    def rules(self) -> SymbolRules:
        """The symbol's rules as the tape implies them: tick and step are the finest decimals seen."""
        tick = _finest(self._prices)
        step = _finest(self._qtys)
        largest_qty = _power_above(max(max(self._qtys) * 1000, Decimal(9000)))
        return SymbolRules(
            symbol=self.symbol,
            base=self.base,
            quote=self.quote,
            tick=tick,
            step=step,
            min_price=tick,
            max_price=_power_above(max(self._prices) * 10),
            min_qty=step,
            max_qty=largest_qty,
            market_max_qty=largest_qty / 10,
            min_notional=self._min_notional(),
            percent_price=PercentPrice(),
        )

    def _min_notional(self) -> Decimal:
        """What Binance asks for on such a quote; on an unknown quote a small part of a small trade."""
        if self.quote in _DOLLARS:
            return Decimal(5)
        if self.quote in _MIN_NOTIONAL:
            return Decimal(_MIN_NOTIONAL[self.quote])
        stride = max(1, len(self) // 2000)
        notionals = sorted(p * q for p, q in zip(self._prices[::stride], self._qtys[::stride], strict=True))
        return max(GRAIN, _power_above(notionals[len(notionals) // 4] / 100))


def _finest(values: list[Decimal]) -> Decimal:
    return Decimal(1).scaleb(-max(decimals_of(value) for value in set(values)))


def _power_above(value: Decimal) -> Decimal:
    """The smallest power of ten not below `value`."""
    power = Decimal(1).scaleb(value.adjusted())
    return power if power >= value else power * 10
