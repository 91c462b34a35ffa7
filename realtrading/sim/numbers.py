"""Exact decimals of the simulated exchange: eight places on the wire, rounding in one place."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal

ZERO = Decimal(0)
GRAIN = Decimal("0.00000001")
"""Smallest amount of any asset the exchange books."""
_WIDE = Context(prec=60)
"""Wide enough for the exact product of any two numbers a request may carry."""


def wire(value: Decimal) -> str:
    """The amount as Binance prints it: plain, always eight decimals."""
    return f"{value:.8f}"


def plain(value: Decimal) -> str:
    """The amount for judges: plain, no exponent, no trailing zeros, so that equal amounts are equal text."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def down(value: Decimal, grain: Decimal = GRAIN) -> Decimal:
    """The largest multiple of `grain` not above `value` (for non-negative values)."""
    return (value / grain).to_integral_value(rounding=ROUND_DOWN) * grain


def up(value: Decimal, grain: Decimal = GRAIN) -> Decimal:
    """The smallest multiple of `grain` not below `value` (for non-negative values)."""
    return (value / grain).to_integral_value(rounding=ROUND_UP) * grain


def worth(price: Decimal, qty: Decimal) -> Decimal:
    """What a trade of `qty` at `price` moves in quote: the exact product, cut to the grain."""
    return _WIDE.multiply(price, qty).quantize(GRAIN, ROUND_DOWN, _WIDE)


def reserve(price: Decimal, qty: Decimal) -> Decimal:
    """What a buyer must set aside for `qty` at `price`: the exact product, raised to the grain."""
    return _WIDE.multiply(price, qty).quantize(GRAIN, ROUND_UP, _WIDE)


def decimals_of(value: Decimal) -> int:
    """How many decimals `value` really needs: 2 for 1.2500, 0 for 100."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
