"""The small words every rule uses: exact amounts, sides, moments, symbols' rules, client ids."""
from __future__ import annotations

import decimal
import enum
import re
from datetime import datetime
from decimal import Decimal

import attrs

EXACT = decimal.Context(
    prec=60,
    rounding=decimal.ROUND_HALF_EVEN,
    Emin=-64,
    Emax=64,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
"""Arithmetic context of the house: sums and products of venue numbers are exact in it, nonsense raises (seed S-105)."""

ZERO = Decimal(0)
ONE = Decimal(1)
RATIO_STEP = Decimal("1e-16")

_PLAIN = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)


class BadAmount(ValueError):
    """A text that is not a finite, plain, bounded ASCII decimal."""


def amount(text: object) -> Decimal:
    """Read a number as the venue and our files write it: `-?digits[.digits]`, ASCII, at most 20 + 20 digits.

    `Decimal` itself would also take NaN, Infinity, `1_000`, full-width digits and `1e400`; each of those raises `BadAmount`.
    """
    if isinstance(text, Decimal):
        return checked(text)
    if isinstance(text, bool) or not isinstance(text, (str, int)):
        raise BadAmount(f"not an amount: {text!r}")
    written = str(text)
    if not _PLAIN.fullmatch(written):
        raise BadAmount(f"not a plain decimal number: {written[:60]!r}")
    return Decimal(written)


def checked(value: Decimal) -> Decimal:
    """`value` if it is finite and has at most 20 digits on each side of the point, else `BadAmount`.

    Zeros at its end do not count: a `Decimal` may carry any number of them.
    """
    if not value.is_finite():
        raise BadAmount(f"not a finite number: {value}")
    if value.adjusted() >= 20:
        raise BadAmount(f"more than 20 digits before the point: {shortened(value)}")
    places = -int(value.as_tuple().exponent)
    if places > 20 and any(value.as_tuple().digits[-(places - 20) :]):
        raise BadAmount(f"more than 20 digits after the point: {shortened(value)}")
    return value


def shortened(value: Decimal) -> str:
    """A number for people to recognise, however long it is."""
    text = str(value)
    return text if len(text) <= 60 else f"{text[:40]}… ({len(text)} characters)"


def plain(value: Decimal) -> str:
    """The one spelling of an amount: no exponent, no trailing zeros, no minus zero; equal amounts give equal text."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def ratio(part: Decimal, whole: Decimal) -> Decimal:
    """`part / whole` rounded half-even to 16 places: the only place where the house rounds a quotient."""
    with decimal.localcontext(EXACT):
        return (part / whole).quantize(RATIO_STEP)


def round_down(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` (> 0) not above the non-negative `value`."""
    with decimal.localcontext(EXACT):
        return value - value % step


def round_up(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` (> 0) not below the non-negative `value`."""
    with decimal.localcontext(EXACT):
        rest = value % step
        return value if not rest else value - rest + step


class Side(enum.StrEnum):
    """Direction of an order, in the venue's own words."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> Side:
        """The other direction."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(enum.StrEnum):
    """Order types the house sends; a foreign order may carry any other text."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"


class TimeInForce(enum.StrEnum):
    """How long a limit order lives."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Role(enum.StrEnum):
    """Why an order exists; its letter is part of the client id, so it is known even when we are dead."""

    ENTRY = "n"
    EXIT = "x"
    STOP = "s"
    TARGET = "t"
    CANCEL = "c"
    FLATTEN = "f"


@attrs.frozen(kw_only=True)
class Now:
    """The two readings of a handler's moment: `mono` seconds for deadlines, `utc` for records and the day roll."""

    mono: float
    utc: datetime


@attrs.frozen(kw_only=True)
class Quote:
    """Best prices of a symbol as last heard. `at` is our UTC receipt time, `mono` the same moment for staleness."""

    symbol: str
    bid: Decimal
    ask: Decimal
    last: Decimal
    at: datetime
    mono: float

    @property
    def mid(self) -> Decimal:
        """Half way between bid and ask."""
        return (self.bid + self.ask) / 2


@attrs.frozen(kw_only=True)
class SymbolRules:
    """What the venue allows on a symbol (exchangeInfo). A zero bound means the venue does not check it."""

    symbol: str
    base: str
    quote: str
    status: str
    tick: Decimal
    step: Decimal
    quantity_min: Decimal
    quantity_max: Decimal
    price_min: Decimal
    price_max: Decimal
    notional_min: Decimal
    market_quantity_max: Decimal = ZERO
    market_step: Decimal = ZERO
    notional_min_applies_to_market: bool = True
    order_types: tuple[str, ...] = ()


_STRATEGY = re.compile(r"[a-z][a-z0-9]{0,11}", re.ASCII)
_PREFIX = re.compile(r"[a-z]{1,4}", re.ASCII)
_CLIENT_ID = re.compile(r"([a-z]{1,4})_([0-9a-z]{1,6})_([a-z][a-z0-9]{0,11})_([nxstcf])([0-9a-z]{1,7})", re.ASCII)
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def is_strategy_name(text: str) -> bool:
    """True for 1–12 lower-case letters and digits beginning with a letter: it must fit into a client id."""
    return _STRATEGY.fullmatch(text) is not None


def base36(number: int) -> str:
    """A non-negative integer in base 36, lower case."""
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits


@attrs.frozen(kw_only=True)
class ClientId:
    """A client order id taken apart: `prefix_run_strategy_role+counter`, at most 36 of `[A-Za-z0-9_]`.

    Deterministic and decodable: from the id alone anybody can tell which house, which run, whose order and why.
    """

    prefix: str
    run: int
    strategy: str
    role: Role
    counter: int

    def __str__(self) -> str:
        return f"{self.prefix}_{base36(self.run)}_{self.strategy}_{self.role.value}{base36(self.counter)}"

    @classmethod
    def parse(cls, text: str) -> ClientId | None:
        """The id's parts, or None when it is not one of ours."""
        match = _CLIENT_ID.fullmatch(text)
        if match is None:
            return None
        prefix, run, strategy, role, counter = match.groups()
        return cls(prefix=prefix, run=int(run, 36), strategy=strategy, role=Role(role), counter=int(counter, 36))


def is_ours(client_id: str, prefix: str) -> bool:
    """True when the id was minted by a house with this prefix."""
    parts = ClientId.parse(client_id)
    return parts is not None and parts.prefix == prefix
