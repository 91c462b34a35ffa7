"""May this order be held against the limits? One pure function per rule, in the order in which they are asked.

An order that only reduces what the house manages (judged by quantity, never by its role) is asked only the rules of
form, filters and managed quantity: limits bound new exposure, and no price is needed to leave.
M-2: a protective stop or target is an order at the exchange, so it is judged here like any other reducing order and its
commitment holds the managed quantity it protects; nothing of it lives in a polling loop of ours.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

import attrs

from .balances import LedgerLine
from .orders import RealOrder
from .positions import PositionBook
from .reasons import Reason
from .risk import Commitment, RiskDay, breached, day_result, day_results, hold, worst_price
from .settings import HUNDRED, RealTradingConfig
from .valuation import Valuation, mark
from .values import ZERO, BadAmount, Now, OrderType, Quote, Side, SymbolRules, checked, plain


@attrs.frozen(kw_only=True)
class Verdict:
    """A rule's no. `detail` holds the numbers, for people."""

    reason: Reason
    detail: str


@attrs.frozen(kw_only=True)
class Picture:
    """Everything risk looks at for one order. `rules` and `quote` are those of the order's symbol, None when unknown.

    `positions` by book key, `commitments` by order id, `ledger` by asset, `symbols` the ones settings allow.
    """

    order: RealOrder
    rules: SymbolRules | None
    quote: Quote | None
    positions: Mapping[str, PositionBook]
    commitments: Mapping[str, Commitment]
    ledger: Mapping[str, LedgerLine]
    day: RiskDay | None
    config: RealTradingConfig
    symbols: frozenset[str]
    valuation: Valuation
    now: Now


@attrs.frozen(kw_only=True)
class Judgement:
    """Risk's answer: a verdict and no commitment, or no verdict and the commitment to hold."""

    verdict: Verdict | None
    reduces: bool
    commitment: Commitment | None


def judge(picture: Picture) -> Judgement:
    """Ask every rule in order; the first no is the answer. Telling the same order twice gives the same answer: its own
    commitment never stands in its way."""
    raise NotImplementedError
