"""The verdict: the engine's books against the exchange's truth, exactly, and what of the two does not agree."""
from __future__ import annotations

import decimal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.reconciliation import DiscrepancyKind
from realtrading.domain.values import EXACT, ZERO, Side, SymbolRules, amount, plain

from .books import Books
from .faults import FaultRecord

SCHEMA = 1
CLEAN, DRIFT, MISMATCH, INCOMPLETE = "clean", "drift", "mismatch", "incomplete"
_OPEN_AT_EXCHANGE = ("NEW", "PARTIALLY_FILLED", "PENDING_NEW")
_NEVER_LIVED = (OrderState.REJECTED,)


@attrs.frozen(kw_only=True)
class Truth:
    """What the simulator knows: the account's totals by asset, its orders and trades as /sim/ledger tells them, how
    often each client id asked to be placed, and bugs of its own."""

    totals: Mapping[str, str]
    orders: Sequence[Mapping[str, Any]]
    trades: Sequence[Mapping[str, Any]]
    by_client_id: Mapping[str, Mapping[str, int]]
    internal_errors: Sequence[str] = ()

    @classmethod
    def of(cls, ledger: Mapping[str, Any], requests: Mapping[str, Any], state: Mapping[str, Any], uid: int) -> Truth:
        """From the answers of /sim/ledger, /sim/requests and /sim/state, for one account."""
        return cls(
            totals=ledger["totals"].get(str(uid), {}),
            orders=[order for order in ledger["orders"] if order["uid"] == uid],
            trades=[trade for trade in ledger["trades"] if trade["uid"] == uid],
            by_client_id=requests["by_client_id"],
            internal_errors=state["internal_errors"],
        )


@attrs.frozen(kw_only=True)
class Minimum:
    """What a demo has to show before it may be called clean."""

    buys: int = 5
    sells: int = 5
    partial_fills: int = 1
    resting_limit_fills: int = 1
    cancels: int = 1
    round_trips: int = 2
    commission_assets: int = 2


MINIMUM = Minimum()


@attrs.frozen(kw_only=True)
class About:
    """The run's own facts. `tape`: its path as given, or how it was made; `speed`: tape seconds per second."""

    symbol: str
    tape: str
    tape_trades: int
    tape_span_s: float
    speed: float
    duration_s: float


@attrs.frozen(kw_only=True)
class Verdict:
    """The verdict and everything it rests on. `unexplained` is empty exactly when `word` is `clean`."""

    word: str
    about: About
    counts: Mapping[str, Any]
    faults: tuple[FaultRecord, ...]
    unexplained: tuple[str, ...]
    engine: Mapping[str, str]
    exchange: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The one object of `--json`."""
        return {
            "schema": SCHEMA,
            "verdict": self.word,
            **attrs.asdict(self.about),
            **self.counts,
            "faults": [fault.to_json() for fault in self.faults],
            "unexplained": list(self.unexplained),
            "engine": dict(self.engine),
            "exchange": dict(self.exchange),
        }


def judge(
    books: Books,
    truth: Truth,
    rules: SymbolRules,
    about: About,
    faults: Sequence[FaultRecord],
    *,
    not_injected: Sequence[str] = (),
    troubles: Sequence[str] = (),
    minimum: Minimum = MINIMUM,
) -> Verdict:
    """Compare. `not_injected` names scripted faults for which there was no time, `troubles` what went wrong outside
    the books."""
    with decimal.localcontext(EXACT):
        engine, exchange = _both({asset: plain(total) for asset, total in books.totals.items()}, truth.totals)
        differences = [*_ledger(engine, exchange), *_orders(books, truth), *_positions(books, truth, rules)]
        differences += [f"{kind} {found.key}: engine {found.engine}, exchange {found.exchange} ({found.detail})"
                        for (kind, _), found in books.unresolved.items()]
        differences += [f"the engine reported drift of {scope}: {detail}" for scope, detail in books.drifts.items()]
        differences += [f"{fault.name}: {fault.failed}" for fault in faults if fault.failed]
        differences += [f"the simulator failed: {error.strip().splitlines()[-1]}" for error in truth.internal_errors]
        differences += troubles
        counts = counts_of(books)
        shortfalls = [*_shortfalls(counts, minimum), *(f"no chance came for {name}" for name in not_injected)]
    return Verdict(
        word=_word(books, differences, shortfalls),
        about=about,
        counts=counts,
        faults=tuple(faults),
        unexplained=(*differences, *shortfalls),
        engine=engine,
        exchange=exchange,
    )


def counts_of(books: Books) -> dict[str, Any]:
    """What happened, counted. `buys` and `sells` are orders filled whole; `partial_fills` are orders that were partly
    filled at some time or took more than one trade; a round trip is told in `Books`."""
    return {
        "orders": len(books.orders),
        "buys": books.filled(Side.BUY),
        "sells": books.filled(Side.SELL),
        "fills": books.fills,
        "partial_fills": len(books.partly),
        "resting_limit_fills": books.resting_fills,
        "cancels": len(books.cancelled),
        "round_trips": books.trips,
        "commission_assets": books.commission_assets,
        "strategy_pnl": plain(books.realized),
        "restarts": books.restarts,
        "reconciliations": books.rounds,
    }


def _word(books: Books, differences: Sequence[str], shortfalls: Sequence[str]) -> str:
    drift_found = any(kind == DiscrepancyKind.BALANCE_DRIFT for kind, _ in books.unresolved)
    if books.drifts or drift_found:
        return DRIFT
    if differences:
        return MISMATCH
    return INCOMPLETE if shortfalls else CLEAN


def _shortfalls(counts: Mapping[str, Any], minimum: Minimum) -> Iterator[str]:
    for name, least in attrs.asdict(minimum).items():
        value = counts[name]
        number = value if isinstance(value, int) else len(value)
        if number < least:
            yield f"only {number} {name} (at least {least})"


def _both(engine: Mapping[str, str], exchange: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Both sides with the same assets: one that only one side knows is 0 on the other; one that is nothing on both is
    left out."""
    assets = sorted(asset for asset in {*engine, *exchange} if (engine.get(asset, "0"), exchange.get(asset, "0")) != ("0", "0"))
    return {asset: engine.get(asset, "0") for asset in assets}, {asset: exchange.get(asset, "0") for asset in assets}


def _ledger(engine: Mapping[str, str], exchange: Mapping[str, str]) -> Iterator[str]:
    for asset, ours in engine.items():
        theirs = exchange[asset]
        if ours != theirs:
            difference = plain(amount(ours) - amount(theirs))
            yield f"{asset}: engine {ours}, exchange {theirs} (engine - exchange = {difference})"


# -- orders -------------------------------------------------------------------


def _orders(books: Books, truth: Truth) -> Iterator[str]:
    trades: dict[int, list[Mapping[str, Any]]] = {}
    for trade in truth.trades:
        trades.setdefault(trade["orderId"], []).append(trade)
    for client_id, seen in truth.by_client_id.items():
        if seen["place_requests"] > 1:
            yield f"{client_id}: {seen['place_requests']} place requests"
        if seen["orders_created"] > 1:
            yield f"{client_id}: {seen['orders_created']} orders"
    there = set()
    for told in truth.orders:
        client_id = told["clientOrderId"]
        there.add(client_id)
        order = books.orders.get(client_id)
        if order is None:
            yield f"{client_id}: at the exchange ({told['status']}), not in the journal"
        else:
            yield from _order(order, told, trades.get(told["orderId"], ()))
    for order in books.orders.values():
        if order.id not in there and order.state not in _NEVER_LIVED:
            yield f"{order.id}: {order.state} in the journal, not at the exchange"


def _order(order: RealOrder, told: Mapping[str, Any], trades: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What of one order differs."""
    if not order.is_terminal() or told["status"] in _OPEN_AT_EXCHANGE:
        yield f"{order.id}: not over: {order.state} in the journal, {told['status']} at the exchange"
    if plain(order.executed_quantity) != told["executedQty"]:
        yield f"{order.id}: engine executed {plain(order.executed_quantity)}, exchange {told['executedQty']}"
    if plain(order.fills_quantity) != told["executedQty"]:
        yield f"{order.id}: engine's fills are {plain(order.fills_quantity)}, exchange executed {told['executedQty']}"
    ours = {fill.trade_id: (plain(fill.price), plain(fill.quantity), plain(fill.commission), fill.commission_asset)
            for fill in order.fills}
    theirs = {trade["id"]: (trade["price"], trade["qty"], trade["commission"], trade["commissionAsset"])
              for trade in trades}
    for trade_id in sorted({*ours, *theirs}):
        if ours.get(trade_id) != theirs.get(trade_id):
            sides = (_trade(side.get(trade_id)) for side in (ours, theirs))
            yield f"{order.id}: trade {trade_id}: engine {next(sides)}, exchange {next(sides)}"


def _trade(told: tuple[str, str, str, str] | None) -> str:
    return "has none" if told is None else f"{told[1]} at {told[0]} fee {told[2]} {told[3]}"


# -- positions ----------------------------------------------------------------


def _positions(books: Books, truth: Truth, rules: SymbolRules) -> Iterator[str]:
    """Quantity and, when flat, realised result of all books together, against the sums of the exchange's trades."""
    held, cash = ZERO, ZERO
    for trade in truth.trades:
        sign = 1 if trade["isBuyer"] else -1
        held += sign * Decimal(trade["qty"])
        cash -= sign * Decimal(trade["quoteQty"])
        if trade["commissionAsset"] == rules.base:
            held -= Decimal(trade["commission"])
        elif trade["commissionAsset"] == rules.quote:
            cash -= Decimal(trade["commission"])
    managed = sum((book.quantity for book in books.positions.values()), ZERO)
    if managed != held:
        yield f"position: engine {plain(managed)} {rules.base}, exchange's trades make {plain(held)}"
    elif not managed and books.realized != cash:
        yield f"result: engine {plain(books.realized)} {rules.quote}, exchange's trades make {plain(cash)}"
