"""The demo's parts without a process: what may be chosen, how it fits itself to a market, and how it judges."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from rich.console import Console

from doors.demo_kit import ABOUT, RULES, UID, books_of, filled, ready, told, trade, truth_of, verdict_of
from order_factories import a_book, at
from realtrading.domain.breaker import BreakerCause, CauseKind, CircuitBreakerState
from realtrading.domain.events import (
    BreakerChanged,
    DiscrepancyFound,
    OrderFilled,
    OrderRejected,
    OrderUnknown,
    PositionClosed,
    PositionOpened,
)
from realtrading.domain.orders import OrderState
from realtrading.domain.positions import book_order
from realtrading.domain.reconciliation import Discrepancy, DiscrepancyKind, Resolution
from realtrading.domain.values import Side
from realtrading.doors.demo.books import Books
from realtrading.doors.demo.faults import FaultRecord, OrderFault, Stage, SubmitTimeoutAccepted, Throttled
from realtrading.doors.demo.options import FAULTS, Options, account_lie, faults_of
from realtrading.doors.demo.scenario import simulator_arguments, workshop
from realtrading.doors.demo.screen import show_verdict
from realtrading.doors.demo.sizing import Market, check_tape, sizes_of
from realtrading.doors.demo.verdict import Minimum, Truth, counts_of
from realtrading.doors.demo.witness import Witness
from realtrading.errors import BadInput

BUY = filled()
SELL = filled(Side.SELL, id="rt_1_grid_x2", fee="0.1", exchange_id=2)
KEYS = [
    "schema", "verdict", "symbol", "tape", "tape_trades", "tape_span_s", "speed", "duration_s", "orders", "buys",
    "sells", "fills", "partial_fills", "resting_limit_fills", "cancels", "round_trips", "commission_assets",
    "strategy_pnl", "restarts", "reconciliations", "faults", "unexplained", "engine", "exchange",
]
AFTER_BUY = {"BTC": "0.999", "USDT": "900"}


# -- what may be chosen -------------------------------------------------------


def test_which_faults_are_scripted() -> None:
    """None named: all; `none`: none; otherwise those named, as often as they are named."""
    assert (faults_of(()), faults_of(("none",))) == (FAULTS, ())
    assert faults_of(("throttled", "throttled")) == ("throttled", "throttled")


@pytest.mark.parametrize("names", [("none", "throttled"), ("earthquake",)])
def test_a_fault_that_is_none(names: tuple[str, ...]) -> None:
    """An unknown name, or `none` beside another, is refused with exit code 2."""
    with pytest.raises(BadInput, match="--fault") as refused:
        faults_of(names)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("text", ["USDT", "USDT=", "=1", "USDT=0", "USDT=1e-8", "US DT=1", "USDT=NaN"])
def test_a_lie_that_is_none(text: str) -> None:
    """A lie is ASSET=AMOUNT, the amount a plain decimal other than 0."""
    with pytest.raises(BadInput, match="--lie-account"):
        account_lie(text)


def test_a_lie_about_the_account() -> None:
    """The amount may be negative; the asset is written in capitals."""
    assert account_lie("usdt=-0.00000001") == ("USDT", Decimal("-0.00000001"))


@pytest.mark.parametrize("seconds", [9.9, 0.0, -1.0, float("nan"), float("inf"), 86_401.0])
def test_a_time_in_which_nothing_can_be_shown(seconds: float) -> None:
    """Less than ten seconds, more than a day, and no number at all are refused."""
    with pytest.raises(BadInput, match="--seconds"):
        Options(seconds=seconds)


def test_what_the_simulator_is_told() -> None:
    """A tape is played once in the trading time; without one a market is generated at a fixed speed, and never ends."""
    tape = simulator_arguments(Options(seconds=20, tape=Path("a.csv"), symbol="AB", base="A", quote="B", seed=3))
    generated = simulator_arguments(Options())
    assert " ".join(tape) == "--hold --seed 3 --symbol AB --base A --quote B --balance BNB=0 --tape a.csv --duration 20"
    assert " ".join(generated) == "--hold --seed 1 --symbol BTCUSDT --balance BNB=0 --speed 30"


# -- how it fits itself to a market -------------------------------------------


def market(price: str, step: str, notional_min: str, *sizes: str) -> Market:
    """A market with these sizes on the ask's levels, all near `price`."""
    rules = attrs.evolve(RULES, step=Decimal(step), quantity_min=Decimal(step), notional_min=Decimal(notional_min))
    return Market(rules=rules, price=Decimal(price), asks=tuple(Decimal(price) * Decimal(size) for size in sizes))


MARKETS = {
    "bitcoin in dollars": market("39432.48", "0.000001", "5", *["0.004"] * 12),
    "a coin of 8 decimals in whole quantities": market("0.00002105", "1", "5", *["3000000"] * 12),
    "ether in bitcoin": market("0.05213", "0.0001", "0.0001", *["0.4"] * 12),
    "dear and whole": market("512.3", "1", "10", *["8"] * 12),
    "a thin book": market("100", "0.01", "5", *["0.1"] * 12),
}


@pytest.mark.parametrize("market", MARKETS.values(), ids=MARKETS.keys())
def test_the_budget_fits_the_market(market: Market) -> None:
    """A small entry (three tenths) can be taken and sold again, a large one is no more than half of what the book shows,
    and the money is there many times over."""
    sizes = sizes_of(market)
    small = sizes.budget * Decimal("0.3")
    assert small >= market.rules.notional_min * Decimal("1.5")
    assert small / market.price >= 4 * market.rules.step
    assert sizes.budget <= sum(market.asks) / 2
    assert sizes.balance >= 10 * sizes.budget
    assert not sizes.balance % Decimal("0.00000001")


@pytest.mark.parametrize("market", MARKETS.values(), ids=MARKETS.keys())
def test_the_limits_let_the_budget_through(market: Market) -> None:
    """Every limit is in the quote asset and above what the strategy may hold; an order is within the percentage."""
    sizes = sizes_of(market)
    limits = sizes.limits()
    assert min(limits.max_position_size_usdt, limits.max_order_value_usdt, limits.max_total_exposure_usdt) > sizes.budget
    assert sizes.balance * limits.risk_per_trade_percent / 100 > sizes.budget


def test_a_market_is_read_from_the_exchange() -> None:
    """Rules from exchangeInfo, prices from the ask side of the depth."""
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01", "minPrice": "0.01", "maxPrice": "1000000"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "9000"},
        {"filterType": "NOTIONAL", "minNotional": "5"},
    ]
    symbol = {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING", "filters": filters}
    read = Market.of({"symbols": [symbol]}, {"asks": [["100.5", "2"], ["101", "1"]], "bids": []})
    assert read == Market(rules=RULES, price=Decimal("100.5"), asks=(Decimal(201), Decimal(101)))


def test_a_market_where_nobody_offers() -> None:
    """An empty ask side is refused in one sentence."""
    with pytest.raises(BadInput, match="nobody offers BTCUSDT"):
        Market.of({"symbols": [{"symbol": "BTCUSDT"}]}, {"asks": []})


@pytest.mark.parametrize("lack", [{"tape_trades": 49}, {"tape_span_s": 1.9}, {"tape_moves": 9}])
def test_a_tape_too_short_or_too_still(lack: dict[str, Any]) -> None:
    """Few trades, a short span or a price that hardly moves: exit code 2, naming span and trades."""
    poor = ready(**lack)
    with pytest.raises(BadInput) as refused:
        check_tape(poor, "x.csv")
    assert refused.value.exit_code == 2
    found = f"{poor.tape_trades} trades over {poor.tape_span_s:g} s"
    assert f"x.csv: too short or too still to trade: {found}" in str(refused.value)


# -- how it judges ------------------------------------------------------------


def test_equal_books_are_clean() -> None:
    """Nothing differs: both sides show the same text, and what is nothing on both sides is left out."""
    verdict = verdict_of(books_of(BUY), truth_of(BUY, totals={**AFTER_BUY, "BNB": "0"}))
    assert (verdict.word, verdict.unexplained) == ("clean", ())
    assert verdict.engine == verdict.exchange == AFTER_BUY


def test_the_json_has_exactly_its_keys() -> None:
    """The object's keys, in order, and plain decimals."""
    told = verdict_of(books_of(BUY), truth_of(BUY, totals=AFTER_BUY)).to_json()
    assert list(told) == KEYS
    assert (told["verdict"], told["engine"]["BTC"], told["unexplained"], told["speed"]) == ("clean", "0.999", [], 2.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"totals": {"BTC": "0.999", "USDT": "900.00000001"}}, "USDT: engine 900, exchange 900.00000001"),
        ({"totals": {"BTC": "0.999", "USDT": "900", "ETH": "1"}}, "ETH: engine 0, exchange 1"),
        ({"orders": []}, "Filled in the journal, not at the exchange"),
        ({"orders": [told(BUY), told(SELL)]}, "rt_1_grid_x2: at the exchange (FILLED), not in the journal"),
        ({"orders": [told(BUY, executedQty="2")]}, "engine executed 1, exchange 2"),
        ({"orders": [told(BUY, status="NEW")]}, "not over: Filled in the journal, NEW at the exchange"),
        ({"trades": [trade(BUY, price="99")]}, "trade 1: engine 1 at 100 fee 0.001 BTC, exchange 1 at 99"),
        ({"trades": [trade(BUY), trade(BUY, id=9)]}, "trade 9: engine has none, exchange 1 at 100"),
        ({"trades": []}, "position: engine 0.999 BTC, exchange's trades make 0"),
        ({"by_client_id": {BUY.id: {"place_requests": 2, "orders_created": 1}}}, "2 place requests"),
        ({"by_client_id": {BUY.id: {"place_requests": 1, "orders_created": 2}}}, "2 orders"),
        ({"internal_errors": ["Traceback\n  …\nKeyError: 'x'"]}, "the simulator failed: KeyError: 'x'"),
    ],
)
def test_every_difference_is_found(change: dict[str, Any], words: str) -> None:
    """Each thing the exchange knows better makes the verdict a mismatch, and is named."""
    truth = attrs.evolve(truth_of(BUY, totals=AFTER_BUY), **change)
    verdict = verdict_of(books_of(BUY), truth)
    assert verdict.word == "mismatch"
    assert any(words in line for line in verdict.unexplained), verdict.unexplained


def test_a_flat_position_is_compared_by_its_result() -> None:
    """Bought and sold whole, fees in quote: the realised result is what was received minus what was paid."""
    buy, sell = filled(fee="0"), SELL
    books = books_of(buy, sell)
    totals = {"USDT": "999.9"}
    assert verdict_of(books, truth_of(buy, sell, totals=totals)).word == "clean"
    truth = attrs.evolve(truth_of(buy, sell, totals=totals), trades=[trade(buy), trade(sell, quoteQty="101")])
    assert "result: engine -0.1 USDT, exchange's trades make 0.9" in verdict_of(books, truth).unexplained


def test_an_order_that_is_not_over() -> None:
    """An order still unknown at the end is unexplained, whatever else agrees."""
    doubted = attrs.evolve(BUY, state=OrderState.UNKNOWN)
    verdict = verdict_of(books_of(doubted), truth_of(BUY, totals=AFTER_BUY))
    assert verdict.unexplained == (f"{BUY.id}: not over: Unknown in the journal, FILLED at the exchange",)


def test_a_refused_order_need_not_be_at_the_exchange() -> None:
    """Rejected means that it never lived, so the exchange knows nothing of it."""
    books = books_of(BUY)
    refused = attrs.evolve(BUY, id="rt_1_grid_n9", state=OrderState.REJECTED, fills=(), executed_quantity=Decimal(0))
    books.note(OrderFilled(order=refused), RULES)
    assert verdict_of(books, truth_of(BUY, totals=AFTER_BUY)).word == "clean"


def drift(resolution: Resolution) -> DiscrepancyFound:
    """One grain more than the engine knows of."""
    return DiscrepancyFound(
        discrepancy=Discrepancy(
            kind=DiscrepancyKind.BALANCE_DRIFT,
            key="USDT",
            engine="900",
            exchange="900.00000001",
            resolution=resolution,
            detail="exchange - engine = 0.00000001",
        )
    )


def test_drift_that_the_engine_reports() -> None:
    """The engine's own word makes the verdict drift, also when both ledgers agree; a mere suspicion does not."""
    books = books_of(BUY)
    books.note(drift(Resolution.WATCHED), RULES)
    assert verdict_of(books, truth_of(BUY, totals=AFTER_BUY)).word == "clean"
    books.note(drift(Resolution.UNRESOLVED), RULES)
    verdict = verdict_of(books, truth_of(BUY, totals=AFTER_BUY))
    assert verdict.word == "drift"
    assert "balance_drift USDT: engine 900, exchange 900.00000001" in verdict.unexplained[0]


def test_the_breakers_drift_is_seen() -> None:
    """A DRIFT cause, though closed again later, is reported with its scope."""
    books = books_of(BUY)
    cause = BreakerCause(kind=CauseKind.DRIFT, scope="asset:USDT", token="t", detail="one grain", opened_at=at(1))
    for causes in ((cause,), ()):
        books.note(BreakerChanged(state=CircuitBreakerState(), causes=causes, gate=1, changed=""), RULES)
    verdict = verdict_of(books, truth_of(BUY, totals=AFTER_BUY))
    assert (verdict.word, verdict.unexplained) == ("drift", ("the engine reported drift of asset:USDT: one grain",))


def test_too_little_happened() -> None:
    """Equal books in which too little happened are incomplete, not clean; what is missing is named."""
    verdict = verdict_of(books_of(BUY), truth_of(BUY, totals=AFTER_BUY), least=2, not_injected=["throttled"])
    assert verdict.word == "incomplete"
    assert "only 1 buys (at least 2)" in verdict.unexplained
    assert "no chance came for throttled" in verdict.unexplained


def test_the_minimum_is_the_promise() -> None:
    """What every clean demo has shown at least."""
    assert attrs.astuple(Minimum()) == (5, 5, 1, 1, 1, 2, 2)


def test_a_fault_that_was_not_survived() -> None:
    """A fault's own failure, and trouble outside the books, keep the verdict from being clean."""
    fault = FaultRecord(name="throttled", injected_at="t", requests_seen_by_exchange=2, outcome="", failed="sent twice")
    verdict = verdict_of(books_of(BUY), truth_of(BUY, totals=AFTER_BUY), fault, troubles=["a thread is left"])
    assert (verdict.word, verdict.unexplained) == ("mismatch", ("throttled: sent twice", "a thread is left"))


def test_the_truth_is_one_accounts() -> None:
    """Of the simulator's ledger only the engine's account counts."""
    ledger = {"totals": {str(UID): {"A": "1"}, "7": {"A": "2"}}, "orders": [{"uid": UID}, {"uid": 7}], "trades": [{"uid": 7}]}
    truth = Truth.of(ledger, {"by_client_id": {}}, {"internal_errors": []}, UID)
    assert (truth.totals, truth.orders, truth.trades) == ({"A": "1"}, [{"uid": UID}], [])


# -- how a fault is judged ----------------------------------------------------


class Exchange:
    """A simulator that tells a fixed story about the one fault it was given."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def tell(self, path: str, **given: Any) -> None:
        """Remember what is scripted."""
        self.told.append({"path": path, **given})

    def look(self, path: str) -> dict[str, Any]:
        """Every fault has fired once, on order `BUY`."""
        firings = [{"client_order_id": BUY.id}]
        return {"requests": 7, "faults": [{"name": each["name"], "firings": firings} for each in self.told]}


class Engine:
    """An engine whose door is open."""

    is_ready = True


@pytest.mark.parametrize(
    ("kind", "seen", "failed"),
    [
        (SubmitTimeoutAccepted, {"place_requests": 1, "orders_created": 1}, False),
        (SubmitTimeoutAccepted, {"place_requests": 2, "orders_created": 1}, True),
        (SubmitTimeoutAccepted, {"place_requests": 1, "orders_created": 0}, True),
        (Throttled, {"place_requests": 1, "orders_created": 0}, False),
        (Throttled, {"place_requests": 2, "orders_created": 0}, True),
    ],
)
def test_the_exchange_counts_what_was_sent(kind: type[OrderFault], seen: dict[str, int], failed: bool) -> None:
    """Survived or not, a fault fails when the exchange saw another number of requests or orders than it must."""
    witness = Witness()
    fault = kind(Stage(simulator=Exchange(), engine=Engine(), witness=witness, keeper="orders"))  # type: ignore[arg-type]
    throttled = attrs.evolve(BUY, state=OrderState.REJECTED, reason="VENUE_THROTTLED", exchange_order_id=None)
    later = attrs.evolve(SELL, created_at=at(60))
    if kind is Throttled:
        heard = [OrderRejected(order=throttled, reason="429"), OrderFilled(order=later)]
    else:
        heard = [OrderUnknown(order=attrs.evolve(BUY, state=OrderState.UNKNOWN), detail=""), OrderFilled(order=BUY)]
    assert not fault.look()
    for event in heard:
        witness.hear(event)
    assert fault.look()
    record = fault.record([{"kind": "place", "client_order_id": BUY.id}], {BUY.id: seen})
    assert (record.requests_seen_by_exchange, bool(record.failed)) == (1, failed)
    assert list(record.to_json()) == ["name", "injected_at", "requests_seen_by_exchange", "outcome"]


# -- what is counted ----------------------------------------------------------


def test_counts() -> None:
    """Orders filled whole by side, trades, and the assets of the fees."""
    counts = counts_of(books_of(BUY, SELL))
    assert [counts[name] for name in ("orders", "buys", "sells", "fills", "partial_fills")] == [2, 1, 1, 2, 0]
    assert counts["commission_assets"] == ["BTC", "USDT"]


@pytest.mark.parametrize("dust", ["0", "0.0009"])
def test_a_round_trip_ends_flat_or_in_dust(dust: str) -> None:
    """Sold to nothing, or to less than the exchange takes an order over: one trip; a crumb sold later is none."""
    books = Books()
    bought = book_order(a_book(), filled(fee="0"), "BTC", "USDT", at(1)).book
    left = attrs.evolve(bought, position=attrs.evolve(bought.position, quantity=Decimal(dust)))
    for kind, book, order in ((PositionOpened, bought, BUY), (PositionClosed, left, SELL), (PositionClosed, left, SELL)):
        extra = {"pnl": Decimal(0)} if kind is PositionClosed else {}
        books.note(kind(position=book.position, book=book, order=order, **extra), RULES)
    assert books.trips == 1


# -- what is shown ------------------------------------------------------------


def test_the_page_shows_both_ledgers(tmp_path: Path) -> None:
    """Every asset with both sides, every fault, and what nobody can explain; markup in a file's name stays text."""
    at = "2026-01-01T10:00:00.000Z"
    fault = FaultRecord(name="throttled", injected_at=at, requests_seen_by_exchange=1, outcome="over it")
    verdict = verdict_of(books_of(BUY), truth_of(BUY, totals={"BTC": "0.998", "USDT": "900"}), fault)
    verdict = attrs.evolve(verdict, about=attrs.evolve(ABOUT, tape="[red]odd.csv"))
    with (tmp_path / "page.txt").open("w") as file:
        show_verdict(Console(file=file, width=120), verdict)
    page = (tmp_path / "page.txt").read_text()
    for words in ("verdict: mismatch", "[red]odd.csv", "0.999", "0.998", "differ", "equal", "over it", "unexplained: BTC"):
        assert words in page


def test_the_page_is_one_screen(tmp_path: Path) -> None:
    """Hundreds of differences are cut, and counted."""
    verdict = verdict_of(books_of(BUY), truth_of(BUY, totals=AFTER_BUY), troubles=[f"trouble {n}" for n in range(500)])
    with (tmp_path / "page.txt").open("w") as file:
        show_verdict(Console(file=file, width=120), verdict)
    page = (tmp_path / "page.txt").read_text()
    assert len(page.splitlines()) <= 40
    assert "and 480 more" in page


def test_the_workshop_leaves_nothing_unless_it_is_wanted() -> None:
    """The folder is gone afterwards, also when something raised; when it is to be kept it stays."""
    with pytest.raises(KeyboardInterrupt), workshop() as shop:
        raise KeyboardInterrupt
    assert not shop.folder.exists()
    with workshop() as shop:
        shop.keep = True
    assert shop.folder.exists()
    for path in shop.folder.iterdir():
        path.unlink()
    shop.folder.rmdir()
