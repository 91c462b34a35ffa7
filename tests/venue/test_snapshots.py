"""What a round costs: the venue's own weights of the very requests, for as many symbols as anybody trades (G11)."""

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from realtrading.domain.commands import TakeSnapshot
from realtrading.domain.reconciliation import round_weight
from realtrading.sim.exchange import Exchange
from realtrading.sim.fees import FeeSchedule
from realtrading.sim.operations import API, BY_REST
from realtrading.sim.tape import Tape
from realtrading.venue.answers import Answer
from realtrading.venue.lookups import Lookups
from realtrading.venue.snapshots import take

UID, NOW = 7, 1_790_000_000_000


class Wire:
    """Sends to an exchange core of so many symbols and adds up what each request weighs there."""

    def __init__(self, count: int) -> None:
        self.symbols = tuple(f"C{number}USDT" for number in range(count))
        rules = [Tape.synthetic(symbol, 1, trades=2, span_ms=2_000).rules() for symbol in self.symbols]
        self.exchange = Exchange(rules, fee=FeeSchedule(), now_ms=NOW)
        self.exchange.add_account(UID, {"USDT": Decimal(100_000)})
        self.weight = 0

    async def __call__(self, path: str, params: Mapping[str, str | int], *, signed: bool) -> Answer:
        given = {name: str(value) for name, value in params.items()}
        operation = BY_REST["GET", f"{API}/{path}"]
        self.weight += operation.weight(given)
        asked: dict[str, Any] = {
            "time": lambda: {"serverTime": NOW}, "account": lambda: self.exchange.account(UID, given, NOW) | {"uid": UID},
            "openOrders": lambda: self.exchange.open_orders(UID, given, NOW),
            "myTrades": lambda: self.exchange.my_trades(UID, given, NOW),
        }  # fmt: skip
        return Answer(status=200, payload=json.loads(json.dumps(asked[path]())))


@pytest.mark.parametrize("count", [1, 5, 13, 14, 40])
@pytest.mark.parametrize("first", [False, True])
def test_a_round_weighs_what_reconciliation_counts_for_it(count: int, first: bool) -> None:
    """The budget is only as good as its prices: later rounds read each symbol's trades once, the first one twice."""
    wire = Wire(count)
    cursors = dict.fromkeys(wire.symbols, -1 if first else 0)
    command = TakeSnapshot(token="t", generation=1, symbols=wire.symbols, cursors=cursors)

    taken = asyncio.run(take(Lookups(wire), command, lambda: 0.0, lambda: None))

    assert set(taken.cursors) == set(wire.symbols)
    assert wire.weight == round_weight(count, first=first)


def test_open_orders_of_many_symbols_are_those_of_each() -> None:
    """Asked for all at once, those of symbols that are not traded here are left out."""
    wire = Wire(15)
    for symbol in (wire.symbols[3], wire.symbols[14]):
        order = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "10"}
        wire.exchange.place(UID, order, NOW)
    command = TakeSnapshot(token="t", generation=1, symbols=wire.symbols[:14], cursors=dict.fromkeys(wire.symbols[:14], 0))

    taken = asyncio.run(take(Lookups(wire), command, lambda: 0.0, lambda: None))

    assert [order.symbol for order in taken.open_orders] == [wire.symbols[3]]
