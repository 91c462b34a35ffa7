"""A seeded market for when there is no tape: a price that waves around its mean, so that both sides get their turn."""

from __future__ import annotations

import math
import random
from decimal import Decimal

from .numbers import GRAIN
from .tape_file import Row

_WORTH = {"BTC": Decimal(40000), "ETH": Decimal(2500), "BNB": Decimal(300), "SOL": Decimal(100)}
_START_MS = 1_704_067_200_000
_PULL = 0.02
_NOISE = 0.00025
_WAVE = 0.0012
_WAVE_TRADES = 400
_HALF_SPREAD = 0.00002
_TYPICAL_NOTIONAL = 150.0


def typical_price(base: str, quote: str) -> Decimal:
    """A plausible price of a pair; 1 for assets nobody knows."""
    return _WORTH.get(base, Decimal(1)) / _WORTH.get(quote, Decimal(1))


def generate(rng: random.Random, mean: Decimal, quote: str, trades: int, span_ms: int) -> list[Row]:
    """`trades` trades around `mean` over about `span_ms`, the same for the same arguments and state of `rng`."""
    # The shape of a made-up market may be drawn in floats: amounts become exact when they are cut to tick and step.
    tick = max(GRAIN, Decimal(1).scaleb(mean.adjusted() - 6))
    step = min(Decimal(1), max(GRAIN, Decimal(1).scaleb(-mean.adjusted() - 1) / _WORTH.get(quote, Decimal(1))))
    step = Decimal(1).scaleb(step.adjusted())
    typical = _TYPICAL_NOTIONAL / float(mean * _WORTH.get(quote, Decimal(1)))
    phase = rng.uniform(0, 2 * math.pi)
    drift, clock, gap = 0.0, 0.0, span_ms / max(1, trades - 1)
    rows: list[Row] = []
    for index in range(trades):
        drift += -_PULL * drift + rng.gauss(0, _NOISE)
        wave = _WAVE * math.sin(phase + 2 * math.pi * index / _WAVE_TRADES)
        buy = rng.random() < 0.5
        level = 1 + drift + wave + (_HALF_SPREAD if buy else -_HALF_SPREAD)
        qty = typical * math.exp(rng.gauss(-0.5, 1.0))
        rows.append(Row(_cut(float(mean) * level, tick), _cut(qty, step), _START_MS + int(clock), buy))
        clock += gap * rng.uniform(0.2, 1.8)
    return rows


def _cut(value: float, grain: Decimal) -> Decimal:
    return max(grain, (Decimal(value) / grain).to_integral_value() * grain)
