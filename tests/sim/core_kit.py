"""Shared by the tests of the simulated exchange's core: a small exchange, short requests, event pickers."""

import json
from collections.abc import Iterable
from decimal import Decimal as D
from pathlib import Path
from typing import Any

from realtrading.sim.exchange import Exchange
from realtrading.sim.fees import FeeSchedule, Rates
from realtrading.sim.rules import SymbolRules

NOW = 1_700_000_000_000
ANN, BOB = 1001, 1002
FREE = FeeSchedule(standard=Rates())
TENTH_PERCENT = FeeSchedule(standard=Rates(maker=D("0.001"), taker=D("0.001")))


def rules(symbol: str = "BTCUSDT", base: str = "BTC", quote: str = "USDT", **changes: Any) -> SymbolRules:
    given: dict[str, Any] = {
        "symbol": symbol, "base": base, "quote": quote, "tick": D("0.01"), "step": D("0.001"), "min_price": D("0.01"),
        "max_price": D(1_000_000), "min_qty": D("0.001"), "max_qty": D(1000), "market_max_qty": D(100),
        "min_notional": D(5),
    }  # fmt: skip
    return SymbolRules(**(given | changes))


def exchange(
    *symbols: SymbolRules, fee: FeeSchedule = FREE, funds: dict[str, str] | None = None, **more: Any
) -> Exchange:
    """Two accounts with the same funds on BTCUSDT (or the given symbols), an empty book."""
    made = Exchange(symbols or (rules(),), fee=fee, now_ms=NOW, **more)
    balances = {asset: D(amount) for asset, amount in (funds or {"USDT": "10000", "BTC": "10"}).items()}
    for uid in (ANN, BOB):
        made.add_account(uid, balances)
    return made


def limit(side: str, price: str, qty: str, symbol: str = "BTCUSDT", **more: str) -> dict[str, str]:
    order = {"symbol": symbol, "side": side, "type": "LIMIT", "timeInForce": "GTC", "price": price, "quantity": qty}
    return order | more


def market(side: str, qty: str | None = None, symbol: str = "BTCUSDT", **more: str) -> dict[str, str]:
    order = {"symbol": symbol, "side": side, "type": "MARKET"}
    return order | ({"quantity": qty} if qty is not None else {}) | more


Levels = Iterable[tuple[str, str]]


def quote(made: Exchange, bids: Levels, asks: Levels, symbol: str = "BTCUSDT") -> None:
    """Lay the house's quotes, best first."""
    sides = [[(D(price), D(qty)) for price, qty in side] for side in (bids, asks)]
    made.pair(symbol).book.quote(sides[0], sides[1])


def user_events(made: Exchange, uid: int, kind: str = "executionReport") -> list[dict[str, Any]]:
    """The account's events of one kind since events were last taken."""
    mine = [event for target, who, event in made.take_events() if target == "user" and who == uid]
    return [event for event in mine if event["e"] == kind]


def funds(made: Exchange, uid: int) -> dict[str, tuple[str, str]]:
    """(free, locked) of every asset, from the truth."""
    account = made.ledger_of_truth()["accounts"][str(uid)]
    return {asset: (held["free"], held["locked"]) for asset, held in account.items()}


def official(shared_dir: Path, name: str) -> Any:
    """One official payload; streams without their envelope."""
    payload = json.loads((shared_dir / "binance" / f"{name}.json").read_text())
    return payload["event"] if isinstance(payload, dict) and "event" in payload else payload


def shape(value: Any) -> Any:
    """Key sets and value types, to compare a payload with an official one; lists by their first element."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__
