"""What moved the wallet without an order, asked of the exchange core: every history, every page, and what is not answered."""

import asyncio
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest

from realtrading.domain.commands import QueryMovements
from realtrading.domain.movements import FlowKind, Movement
from realtrading.domain.reconciliation import CAUSE_WEIGHT
from realtrading.sim.errors import BinanceError
from realtrading.sim.exchange import Exchange
from realtrading.sim.fees import FeeSchedule
from realtrading.sim.market import Market
from realtrading.sim.operations import API, BY_REST
from realtrading.sim.tape import Tape
from realtrading.venue import flows
from realtrading.venue.answers import Answer, Failure
from realtrading.venue.fields import from_ms
from realtrading.venue.flows import Flows, pairs

MY_TRADES = BY_REST["GET", f"{API}/myTrades"]
UID, NOW = 7, 1_790_000_000_000
DAY = 86_400_000
HISTORIES = {
    "/sapi/v1/capital/deposit/hisrec": "deposits", "/sapi/v1/capital/withdraw/history": "withdrawals",
    "/sapi/v1/asset/transfer": "transfers", "/sapi/v1/asset/dribblet": "dribblets",
    "/sapi/v1/convert/tradeFlow": "conversions",
}  # fmt: skip


class Wire:
    """Sends to an exchange core in this process, and remembers what was asked."""

    def __init__(self) -> None:
        tapes = [Tape.synthetic(symbol, 1, trades=50, span_ms=50_000) for symbol in ("BTCUSDT", "ETHUSDT")]
        self.exchange = Exchange([tape.rules() for tape in tapes], fee=FeeSchedule(), now_ms=NOW - 9 * DAY)
        self.exchange.add_account(UID, {"USDT": Decimal(100_000), "BTC": Decimal(1)})
        for tape in tapes:
            Market(self.exchange, tape, tape.symbol, 1).open(NOW - 9 * DAY)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.broken: Callable[[str], Answer | None] = lambda path: None

    async def __call__(self, path: str, params: Mapping[str, str | int], *, signed: bool) -> Answer:
        given = {name: str(value) for name, value in params.items()}
        self.asked.append((path, given))
        broken = self.broken(path)
        if broken is not None:
            return broken
        try:
            return Answer(status=200, payload=json.loads(json.dumps(self._answer(path, given))))
        except BinanceError as error:
            return Answer(status=error.status, code=error.code, message=error.msg)

    def _answer(self, path: str, given: dict[str, str]) -> Any:
        if path == "exchangeInfo":
            return self.exchange.exchange_info(json.loads(unquote(given["symbols"])), now_ms=NOW)
        if path == "myTrades":
            return self.exchange.my_trades(UID, given, NOW)
        return getattr(self.exchange.wallet, HISTORIES[path])(UID, given, NOW)


def found(
    wire: Wire, *assets: str, since: int = NOW - DAY, others: tuple[str, ...] = (), watched: tuple[str, ...] = (),
    has_wallet: bool = True,
) -> tuple[list[Movement], tuple[str, ...]]:  # fmt: skip
    """What is told, the oldest first."""
    asked = QueryMovements(token="t", since=from_ms(since), assets=assets or ("USDT",), others=others, watched=watched)
    moved, unanswered = asyncio.run(Flows(wire, has_wallet=has_wallet).since(asked, from_ms(NOW)))
    return sorted(moved, key=lambda each: each.at), unanswered


def test_every_history_tells_its_kind_its_moment_and_both_sides() -> None:
    """Withdrawals take their fee with them, dust brings BNB, a conversion has two sides, transfers go both ways."""
    wire = Wire()
    wallet, at = wire.exchange.wallet, NOW - 50_000
    wallet.deposit(UID, "USDT", Decimal("5.5"), at)
    wallet.withdraw(UID, "USDT", Decimal(9), at + 1_000, Decimal("0.5"))
    wallet.transfer(UID, "MAIN_FUNDING", "USDT", Decimal(3), at + 2_000)
    wallet.transfer(UID, "UMFUTURE_MAIN", "USDT", Decimal(4), at + 3_000)
    wallet.dust(UID, "BTC", Decimal("0.00001"), Decimal("0.002"), Decimal("0.0001"), at + 4_000)
    wallet.convert(UID, ("USDT", Decimal(20)), ("BNB", Decimal("0.05")), at + 5_000)

    moved, unanswered = found(wire)

    assert unanswered == ()
    assert [(each.kind, dict(each.deltas)) for each in moved] == [
        (FlowKind.DEPOSIT, {"USDT": Decimal("5.5")}),
        (FlowKind.WITHDRAWAL, {"USDT": Decimal("-9.5")}),
        (FlowKind.TRANSFER, {"USDT": Decimal(-3)}),
        (FlowKind.TRANSFER, {"USDT": Decimal(4)}),
        (FlowKind.DUST, {"BTC": Decimal("-0.00001"), "BNB": Decimal("0.002")}),
        (FlowKind.CONVERSION, {"USDT": Decimal(-20), "BNB": Decimal("0.05")}),
    ]
    assert [each.at for each in moved] == [from_ms(at + 1_000 * number) for number in range(6)]
    assert len({(each.kind, each.id) for each in moved}) == 6


def test_pages_are_read_to_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a page of anything: by offset, by number, and a window that is cut is asked for in halves."""
    for name in ("_CAPITAL_PAGE", "_TRANSFER_PAGE", "_CONVERT_PAGE"):
        monkeypatch.setattr(flows, name, 2)
    wire = Wire()
    for number in range(5):
        at = NOW - 60_000 + number * 1_000
        wire.exchange.wallet.deposit(UID, "USDT", Decimal(number + 1), at)
        wire.exchange.wallet.transfer(UID, "MARGIN_MAIN", "USDT", Decimal(number + 1), at)
        wire.exchange.wallet.convert(UID, ("USDT", Decimal(number + 1)), ("BNB", Decimal(1)), at)

    moved, unanswered = found(wire)

    assert unanswered == ()
    for kind in (FlowKind.DEPOSIT, FlowKind.TRANSFER, FlowKind.CONVERSION):
        amounts = [abs(each.deltas["USDT"]) for each in moved if each.kind is kind]
        assert sorted(set(amounts)) == [1, 2, 3, 4, 5], kind


def test_windows_never_grow_beyond_what_the_exchange_answers() -> None:
    """After 89 days of silence every history still answers; conversions are asked month by month."""
    wire = Wire()
    wire.exchange.wallet.convert(UID, ("USDT", Decimal(1)), ("BNB", Decimal(1)), NOW - 80 * DAY)
    moved, unanswered = found(wire, since=NOW - 89 * DAY)
    assert unanswered == ()
    assert [each.kind for each in moved] == [FlowKind.CONVERSION]
    assert len([path for path, _ in wire.asked if path.endswith("tradeFlow")]) == 3


@pytest.mark.parametrize("path", HISTORIES)
def test_a_history_that_does_not_answer_is_named(path: str) -> None:
    """A failed query is never "none": the others are told, and this one is named with its reason."""
    wire = Wire()
    wire.exchange.wallet.deposit(UID, "USDT", Decimal(5), NOW - 1_000)
    wire.exchange.wallet.convert(UID, ("USDT", Decimal(1)), ("BNB", Decimal(1)), NOW - 1_000)
    wire.broken = lambda asked: Answer(status=503, message="busy") if asked == path else None

    moved, (unanswered,) = found(wire)

    assert "HTTP 503: busy" in unanswered
    assert moved


@pytest.mark.parametrize("payload", [{}, [], [{"id": 1}], {"list": 3}, {"rows": [{}]}, {"userAssetDribblets": [{}]}, None, "x"])
def test_an_answer_that_is_not_what_was_promised_is_no_answer(payload: Any) -> None:
    """Whatever comes, nothing is made up, and nothing is taken for an empty history that is not one."""
    wire = Wire()
    wire.broken = lambda asked: Answer(status=200, payload=payload)
    moved, unanswered = found(wire)
    assert moved == []
    assert unanswered


def test_where_there_are_no_histories_nobody_asks_twice() -> None:
    """404 once, and from then on it is said without asking; an exchange known to have none is not asked at all."""
    wire = Wire()
    wire.broken = lambda asked: Answer(status=404, message="a page") if asked.startswith("/sapi") else None
    asked = QueryMovements(token="t", since=from_ms(NOW - DAY), assets=("USDT",), others=(), watched=())
    asking = Flows(wire, has_wallet=True)
    first = asyncio.run(asking.since(asked, from_ms(NOW)))[1]
    count = len(wire.asked)
    second = asyncio.run(asking.since(asked, from_ms(NOW)))[1]
    assert (len(first), len(second), count, len(wire.asked)) == (5, 5, 1, 1)
    other = Wire()
    assert len(found(other, has_wallet=False)[1]) == 5
    assert other.asked == []


def test_trades_in_symbols_nobody_watches_are_found_by_what_differs() -> None:
    """Dollars and ETH differ: ETHUSDT exists and is asked, USDTETH does not; a watched symbol is left to the rounds."""
    wire = Wire()
    wire.exchange.place(UID, {"symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}, NOW - 5_000)
    wire.exchange.place(UID, {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}, NOW - 5_000)

    moved, unanswered = found(wire, "ETH", "USDT", "BTC", watched=("BTCUSDT",))

    assert unanswered == ()
    assert {each.kind for each in moved} == {FlowKind.EXTERNAL_TRADE}
    total = sum((each.deltas["ETH"] for each in moved), Decimal(0))
    assert total == wire.exchange.core.ledger.accounts[UID].balance("ETH").free
    assert all(each.id.startswith("ETHUSDT:") for each in moved)
    again, _ = found(wire, "ETH", others=("USDT",), watched=("BTCUSDT",))
    assert [each.id for each in again] == [each.id for each in moved]
    assert found(wire, "ETH", "USDT", since=NOW - 4_000)[0] == []


def test_many_trades_are_read_from_their_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that does not reach back is no answer: days are searched for the first one, and then every page is read."""
    monkeypatch.setattr("realtrading.venue.lookups.PAGE", 2)
    wire = Wire()
    for number in range(5):
        at = NOW - 3 * DAY + number * 1_000
        wire.exchange.place(UID, {"symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}, at)
    moved, unanswered = found(wire, "ETH", "USDT", since=NOW - 6 * DAY)
    assert unanswered == ()
    assert len({each.id for each in moved}) == len(moved) >= 5
    held = wire.exchange.core.ledger.accounts[UID].balance("ETH").free
    assert sum((each.deltas["ETH"] for each in moved), Decimal(0)) == held


def test_more_names_than_are_asked_at_once_are_said() -> None:
    """Many assets that differ make many pairs: those beyond the budget are named, never passed over."""
    wire = Wire()
    _, unanswered = found(wire, *(f"A{number}" for number in range(6)))
    assert unanswered[0] == "trades in 18 more symbols"
    assert len([path for path, _ in wire.asked if path == "exchangeInfo"]) == flows.NAMES_MAX
    assert CAUSE_WEIGHT == flows.NAMES_MAX * (BY_REST["GET", f"{API}/exchangeInfo"].weight({}) + MY_TRADES.weight({}))


def test_pairs_of_what_differs_come_first() -> None:
    """Then those with an asset that could not be compared."""
    assert pairs(("ETH", "USDT"), ("BTC", "ETH")) == ["ETHUSDT", "USDTETH", "ETHBTC", "BTCETH", "USDTBTC", "BTCUSDT"]


def test_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round waits for the answer: what has not come by then is named."""
    monkeypatch.setattr(flows, "QUESTION_S", 0.05)
    wire = Wire()
    send = wire.__call__

    class Slow(Wire):
        async def __call__(self, path: str, params: Mapping[str, str | int], *, signed: bool) -> Answer:
            if path.endswith("history"):
                await asyncio.Event().wait()
            return await send(path, params, signed=signed)

    wire.exchange.wallet.deposit(UID, "USDT", Decimal(5), NOW - 1_000)
    moved, unanswered = found(Slow())
    assert [each.kind for each in moved] == [FlowKind.DEPOSIT]
    assert unanswered == ("the rest: no answer within 0.05 s",)


def test_a_lost_connection_is_named_too() -> None:
    """Not only answers with a status fail."""
    wire = Wire()
    wire.broken = lambda asked: Answer(status=0, failure=Failure.LOST)
    assert all("no answer came" in each for each in found(wire)[1])
