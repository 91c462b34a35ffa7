"""Which symbol a tape is of, and where its base asset ends and its quote asset begins."""

from __future__ import annotations

import re
from pathlib import Path

from .tape_file import TapeError

_SYMBOL = re.compile(r"[A-Z0-9]{2,20}")
KNOWN_QUOTES = (
    "USDT", "FDUSD", "USDC", "BUSD", "TUSD", "USDP", "USDS", "USDE", "USD1", "XUSD", "AEUR", "EURI", "DAI", "VAI",
    "PAX", "UST", "IDRT", "BIDR", "BVND", "BKRW", "NGN", "RUB", "TRY", "EUR", "ZAR", "UAH", "GBP", "BRL", "PLN", "RON",
    "AUD", "ARS", "CZK", "MXN", "COP", "JPY", "IDR", "USD", "BTC", "ETH", "BNB", "XRP", "TRX", "SOL", "DOGE", "DOT",
)  # fmt: skip


def symbol_of(path: Path, symbol: str | None) -> str:
    """The given symbol, or the beginning of the file's name up to the first dash or dot. Raises TapeError."""
    name = symbol if symbol is not None else re.split(r"[-._]", path.name, maxsplit=1)[0]
    name = name.upper()
    if not _SYMBOL.fullmatch(name):
        wrong = f"{symbol!r} is not a symbol" if symbol is not None else "its name does not begin with a symbol"
        raise TapeError(f"{path}: {wrong}; give one such as BTCUSDT with --symbol")
    return name


def split_symbol(path: Path | str, symbol: str, base: str | None, quote: str | None) -> tuple[str, str]:
    """Base and quote asset: as given, else by the longest known quote suffix. Raises TapeError."""
    if quote is None and base is not None and symbol.startswith(base):
        quote = symbol[len(base) :]
    if quote is None:
        endings = [known for known in KNOWN_QUOTES if symbol.endswith(known) and symbol != known]
        if not endings:
            raise TapeError(f"{path}: cannot tell base and quote of {symbol}; give them with --base and --quote")
        quote = max(endings, key=len)
    if base is None:
        base = symbol.removesuffix(quote)
    if not base or not quote or base + quote != symbol:
        raise TapeError(f"{path}: base {base!r} and quote {quote!r} do not make the symbol {symbol}")
    return base, quote
