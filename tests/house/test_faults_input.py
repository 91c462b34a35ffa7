"""Bad prices, numbers, texts and files, and far too many wishes: refused by name, and nothing of it reaches the exchange."""

import logging
import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from house.fault_kit import PATIENT, PLACE, Stands
from house.invariants import above_limits, expect_invariants, odd_numbers, secrets_told
from house.kit import KEY, LOT, ROOT, SECRET, SYMBOL, WIDE, Ear, Judge, engine_for, quiet, settings_for, write_config
from matrix.evidence import judged
from processes import Processes
from realtrading.domain.orders import OrderState
from realtrading.domain.reasons import Reason
from realtrading.errors import BadInput
from waiting import wait_until

NEVER_SENT = "no order of ours came to the exchange"

BAD_QUOTES: dict[str, tuple[dict[str, Decimal], Reason]] = {
    "crossed": ({"bid": Decimal("40100"), "ask": Decimal("40000")}, Reason.RISK_PRICE_IMPLAUSIBLE),
    "ten times too high": ({"bid": Decimal("400000"), "ask": Decimal("400001")}, Reason.RISK_PRICE_IMPLAUSIBLE),
    "ten times too low": ({"bid": Decimal("4000"), "ask": Decimal("4001")}, Reason.RISK_PRICE_IMPLAUSIBLE),
    "a last trade far away": ({"last": Decimal("80000")}, Reason.RISK_PRICE_IMPLAUSIBLE),
    "no bid": ({"bid": Decimal(0)}, Reason.RISK_PRICE_MISSING),
    "stale": ({}, Reason.RISK_PRICE_STALE),
}


@pytest.mark.matrix("F3", invariants="G5")
def test_no_entry_by_prices_that_cannot_be(stand_at: Stands) -> None:
    """Stale, crossed, one-sided, or far from the last trade: each entry is refused with its numbers; an exit goes out; by
    the next plausible quote entries pass again."""
    stand = stand_at(limits=attrs.evolve(PATIENT, quote_age_max_secs=60))
    stand.trades_on()
    good = stand.engine.quotes[SYMBOL]
    for what, (change, reason) in BAD_QUOTES.items():
        mono = good.mono - 61 if what == "stale" else good.mono
        stand.engine._board.put(attrs.evolve(good, mono=mono, **change))
        order = stand.buy(LOT * 10).wait(5)
        assert order is not None
        assert order.reason == reason, what
    stand.engine.sell(SYMBOL, quantity=Decimal("0.0005")).wait(5)
    with judged("G5"):
        assert [each["executed"] for each in stand.asked("place")] == [True, True]
        assert [] == above_limits(stand.judge, stand.engine)
    stand.step(5)
    wait_until(lambda: stand.engine.quotes[SYMBOL].mono > good.mono, 5, "a new quote")
    stand.trades_on()
    assert stand.healed().clean


BAD_AMOUNTS = (
    "0", "-1", "+1", "1e5", "1E-3", "1_000", "１２", "٣", "²", " 1", "1 ", "1.", ".5", "", "NaN", "Infinity", "-0", "0x10",
    "1,5", "1" * 60, "0." + "0" * 60 + "1", "1\n", "1\u200b", 0.5, float("nan"), None, True,
)  # fmt: skip


@pytest.mark.matrix("F4", invariants="G16")
@pytest.mark.parametrize("name", ["quantity", "quote_quantity", "price"])
def test_an_amount_that_is_no_plain_decimal_is_no_order(name: str, stand_at: Stands) -> None:
    """Signs, exponents, underscores, other digits than 0-9, spaces, floats, NaN, too many digits: refused at the door or by
    the first rule; nothing odd is in any table, and nothing was sent."""
    stand = stand_at()
    for bad in BAD_AMOUNTS:
        given = {"quantity": LOT, name: bad} if name == "price" else {name: bad}
        if name == "price" and bad is None:
            continue  # a market order
        try:
            order = stand.engine.buy(SYMBOL, **given).wait(5)
        except BadInput:
            continue
        assert order is not None, repr(bad)
        assert order.state is OrderState.REJECTED, repr(bad)
        assert order.reason.startswith("RISK_"), repr(bad)
    with judged("G16"):
        assert stand.asked("place") == [], NEVER_SENT
        assert [] == [*odd_numbers(stand.engine.orders), *odd_numbers(stand.engine.position_books)]
    assert stand.healed().clean


class Lines(logging.Handler):
    """Keeps every line that is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What our loggers say."""
    ear = Lines()
    logging.getLogger("realtrading").addHandler(ear)
    yield ear.lines
    logging.getLogger("realtrading").removeHandler(ear)


EVIL = "no\r\n2026-01-01 CRITICAL realtrading: all sold \x1b[31m\x00 \u202e ＢＴＣ"


@pytest.mark.matrix("F5", invariants="G15")
def test_what_somebody_else_writes_stays_one_line(stand_at: Stands, lines: list[str]) -> None:
    """Line breaks, escapes and look-alikes in the exchange's texts, in events and in names: kept as data, told in one line,
    never taken for a symbol; key and secret are told nowhere."""
    stand = stand_at()
    stand.fault("status_before", PLACE, status=400, code=-2010, msg=EVIL)
    refused = stand.buy()
    order = refused.wait(5)
    assert order is not None
    assert order.state is OrderState.REJECTED
    for name in (EVIL, "BTCUSDT\n", "ＢＴＣUSDT", "BTC/USDT", "", "B" * 100):
        try:
            odd = stand.engine.buy(name, quantity=LOT)
        except BadInput:
            continue
        assert odd.wait(5) is not None
        assert odd.detail.startswith(str(Reason.RISK_SYMBOL_NOT_ALLOWED)), name
    stand.judge.call("frame", frame={"event": {"e": EVIL, "E": 1, "s": EVIL, "c": EVIL}})
    stand.trades_on()
    with judged("G15"):
        assert not [line for line in lines if "\n" in line or "\r" in line or "\x1b" in line or "\x00" in line]
        assert not [line for line in lines if any(word in line for word in (KEY, SECRET, "signature="))]
        assert [] == secrets_told(stand.engine, stand.ear)
    assert len(stand.asked("place")) == 2
    assert stand.healed().clean


BAD_FILES: dict[str, str] = {
    "half written": 'mode = "simul',
    "wrong type": "max_order_value_usdt = [1]\n",
    "unknown key": "max_order_value_usd = 5\n",
    "no number": 'max_order_value_usdt = "１０"\n',
    "not finite": "max_order_value_usdt = inf\n",
    "below zero": "max_order_value_usdt = -5\n",
}


@pytest.mark.matrix("F6", invariants="G5 G10")
def test_a_bad_configuration_is_refused_whole(judge: Judge, processes: Processes) -> None:
    """Exit 4 with lines that name what is wrong; no journal was made, no request sent: nothing is half applied."""
    path = write_config(processes.folder, judge)
    good = path.read_text()
    for what, line in BAD_FILES.items():
        seen = judge.call("requests")["seq"]
        path.write_text(good + line)  # the last section is [limits]
        started = processes.python("-m", "realtrading", "run", "--config", str(path), cwd=ROOT)
        assert started.wait(20) == 4, (what, str(started))
        processes.forget(started)
        assert not any("Traceback" in each for each in started.err), str(started)
        with judged("G5", "G10"):
            assert judge.requests(since=seen) == [], what
            assert not (processes.folder / "journal.db").exists(), what


@pytest.mark.matrix("F6", invariants="G5 G10")
def test_a_hang_up_changes_no_setting_of_a_running_daemon(judge: Judge, processes: Processes) -> None:
    """SIGHUP with a broken, looser file in place: it says that it reads none, keeps its settings and its orders, and ends in
    order when told to."""
    path = write_config(processes.folder, judge, prefix="hu")
    started = processes.python("-m", "realtrading", "run", "--config", str(path), cwd=ROOT)
    started.wait_for_line("ready, run", 30)
    path.write_text(path.read_text().replace("1000000", "9000000") + "nonsense")
    os.kill(started.pid, signal.SIGHUP)
    started.wait_for_line("settings are not read again", 10)
    with judged("G5", "G10"):
        assert started.process.poll() is None
        assert judge.orders("hu") == {}
    started.send(signal.SIGTERM)
    assert started.wait(25) == 0, str(started)


@pytest.fixture
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """A simulator with Binance's own limits: 100 orders in ten seconds."""
    started = Processes(tmp_path_factory.mktemp("strict"))
    try:
        made = Judge(started)
        made.call("limits", orders_10s=100, weight_1m=6_000, raw_5m=61_000)
        yield made
    finally:
        problems = started.end_all()
    assert not problems, "\n".join(problems)


@pytest.mark.slow
@pytest.mark.matrix("F10", invariants="G5 G11")
def test_ten_thousand_wishes_neither_pass_a_limit_nor_use_up_the_exchanges_patience(strict: Judge, tmp_path: Path) -> None:
    """Buys without end stop at the position's limit; buys and sells in turn, which never reach it, at four fifths of the
    exchange's order count, and then at the breaker: no 429, every wish has its answer, every answer its reason."""
    limits = attrs.evolve(WIDE, max_position_size_usdt=Decimal(400), max_total_exposure_usdt=Decimal(400))
    engine = engine_for(settings_for(strict, tmp_path, limits=limits))
    ear = Ear()
    engine.subscribe(ear)
    engine.start()
    try:
        tickets = [engine.buy(SYMBOL, quantity=LOT) for _ in range(9_600)]
        for _ in range(200):
            tickets += [engine.sell(SYMBOL, quantity=LOT), engine.buy(SYMBOL, quantity=LOT)]
        assert all(ticket.wait(120) is not None for ticket in tickets)
        quiet(engine, 60)
        reasons = {order.reason for ticket in tickets if (order := ticket.order) is not None and order.reason}
        ends = {ticket.detail.partition(":")[0] for ticket in tickets if ticket.detail}
        assert {str(Reason.RISK_POSITION_MAX)} <= ends | reasons
        with judged("G11"):
            asked = strict.requests(kind="place")
            assert [] == [each for each in strict.requests() if each["status"] in (429, 418)]
            for each in asked:
                ten_seconds = [a for a in asked if each["at_ms"] <= a["at_ms"] < each["at_ms"] + 10_000]
                assert len(ten_seconds) <= 100
        with judged("G5"):
            assert [] == above_limits(strict, engine)
        expect_invariants(strict, engine, ear)
    finally:
        assert engine.stop()
