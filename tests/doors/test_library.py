"""The engine as a library: what a user's program may count on, against the shipped simulator."""

import asyncio
import gc
import json
import os
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import realtrading
from processes import Processes
from realtrading import (
    BreakerChanged,
    Credentials,
    OrderFilled,
    OrderState,
    RealTradingConfig,
    RealTradingEngine,
    Settings,
)
from realtrading.errors import BadInput, HouseError
from realtrading.runtime.spec import FaultKind
from serving import judge, start_simulator
from waiting import wait_until

D = Decimal
SYMBOL = "BTCUSDT"
WIDE = RealTradingConfig(
    max_position_size_usdt=D(4000), max_total_exposure_usdt=D(8000), max_order_value_usdt=D(2000),
    risk_per_trade_percent=D(50),
)  # fmt: skip


@pytest.fixture
def simulator(processes: Processes) -> dict[str, Any]:
    """One simulated exchange with 10,000 USDT and 1 BTC."""
    return start_simulator(processes)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One simulated exchange for all tests that trade nothing."""
    started = Processes(tmp_path_factory.mktemp("quiet"))
    yield start_simulator(started)
    problems = started.end_all()
    assert not problems, "\n".join(problems)


def fills_at(ready: dict[str, Any]) -> set[tuple[str, Decimal]]:
    """(client id, executed quantity) of every order the exchange holds."""
    orders = judge(ready, "ledger")["orders"]
    return {(order["clientOrderId"], D(order["executedQty"])) for order in orders}


def last_price(ready: dict[str, Any]) -> Decimal:
    """What the symbol was last traded at."""
    with urllib.request.urlopen(f"{ready['rest_url']}/v3/ticker/price?symbol={SYMBOL}", timeout=10) as answer:
        return D(json.load(answer)["price"])


def open_files() -> dict[str, str]:
    """Descriptor -> what it stands for, of this process."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the listing's own descriptor
            continue
    return found


def unfinished_tasks() -> list[object]:
    """asyncio's tasks that still wait for something."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, asyncio.Task) and not each.done()]


# -- names --------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in realtrading.__all__ if not name.startswith("_")])
def test_every_public_name_is_what_it_says(name: str) -> None:
    """Each public name is a class of that name, found when it is first asked for."""
    assert name == getattr(realtrading, name).__name__


def test_a_name_that_is_not_there_is_named() -> None:
    """A wrong name fails as in any module."""
    with pytest.raises(AttributeError, match="module 'realtrading' has no attribute 'RealTradingEngin'"):
        realtrading.RealTradingEngin  # noqa: B018 - the access is the test


# -- life ---------------------------------------------------------------------


def test_stop_leaves_nothing_behind(simulator: dict[str, Any]) -> None:
    """After `stop` there is no thread, descriptor, task or file more than before the engine was made."""
    threads, files = set(threading.enumerate()), open_files()
    with RealTradingEngine.simulated(simulator, WIDE) as engine:
        journal = Path(engine.settings.journal_path)
        ticket = engine.buy(SYMBOL, quantity="0.001")
        assert ticket.wait().state is OrderState.FILLED
        assert journal.exists()
        assert len(threading.enumerate()) > len(threads)

    assert set(threading.enumerate()) == threads
    assert open_files() == files
    assert [] == unfinished_tasks()
    assert not journal.parent.exists()


def test_stop_says_whether_all_is_gone_and_may_be_called_twice(quiet: dict[str, Any]) -> None:
    """`stop` answers True when no thread is left; a second call changes nothing."""
    engine = RealTradingEngine.simulated(quiet).start()
    assert engine.is_running
    assert engine.is_ready

    assert engine.stop()
    assert engine.stop()
    assert not engine.is_running
    assert not engine.is_ready
    assert engine.wait(0)


def test_a_body_that_raises_ends_the_engine_too(quiet: dict[str, Any]) -> None:
    """The context manager stops the engine when its body fails, and lets the failure through."""
    before = set(threading.enumerate())
    engine = RealTradingEngine.simulated(quiet)

    def body() -> None:
        with engine as entered:
            raise ZeroDivisionError(f"ready: {entered.is_ready}")

    with pytest.raises(ZeroDivisionError, match="ready: True"):
        body()
    assert not engine.is_running
    assert set(threading.enumerate()) == before


def test_an_engine_starts_once(quiet: dict[str, Any]) -> None:
    """A second `start`, while it runs or after its end, is refused in a sentence and hurts nothing."""
    with RealTradingEngine.simulated(quiet) as engine:
        with pytest.raises(HouseError, match="an engine starts once"):
            engine.start()
        assert engine.is_ready
    with pytest.raises(HouseError, match="an engine starts once"):
        engine.start()


@pytest.mark.parametrize(
    "ask",
    [
        lambda engine: engine.buy(SYMBOL, quantity="0.001"),
        lambda engine: engine.sell(SYMBOL, quantity="0.001"),
        lambda engine: engine.cancel("rt_1_user_n1"),
        lambda engine: engine.reconcile(1),
        lambda engine: engine.stop_strategies(),
        lambda engine: engine.settled(1),
    ],
    ids=["buy", "sell", "cancel", "reconcile", "stop_strategies", "settled"],
)
def test_commands_need_a_running_engine(quiet: dict[str, Any], ask: Callable[[RealTradingEngine], object]) -> None:
    """Before the start and after the end every command is refused in a sentence; reading still answers."""
    engine = RealTradingEngine.simulated(quiet)
    with pytest.raises(BadInput, match="the engine is not started"):
        ask(engine)
    assert ({}, {}, 0) == (engine.orders, engine.positions, engine.run)

    engine.start()
    engine.stop()
    with pytest.raises(BadInput, match="the engine is stopped"):
        ask(engine)
    assert engine.balances["USDT"] == D(10_000)


def test_an_exchange_that_is_not_there_is_said_and_leaves_nothing(free_port: int) -> None:
    """Nobody listens: `start` raises with exit code 75, and no thread, descriptor or folder is left."""
    at = f"127.0.0.1:{free_port}"
    ready = {
        "rest_url": f"http://{at}/api", "ws_api_url": f"ws://{at}/ws-api/v3", "stream_url": f"ws://{at}/",
        "key": "k", "secret": "s", "symbols": [SYMBOL],
    }  # fmt: skip
    threads, files = set(threading.enumerate()), open_files()
    engine = RealTradingEngine.simulated(ready)

    with pytest.raises(BadInput, match="the exchange is not reachable") as caught:
        engine.start()

    assert caught.value.exit_code == 75
    assert set(threading.enumerate()) == threads
    assert open_files() == files
    assert not Path(engine.settings.state_dir).exists()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("", "not the line that"),
        ("[]", "no rest_url, ws_api_url, stream_url, key, secret, symbols in it"),
        ('{"rest_url": 7, "ws_api_url": "w", "stream_url": "s", "key": "k", "symbols": []}', "no rest_url, secret, symbols in"),
    ],
)
def test_a_line_that_no_simulator_printed_is_refused(line: str, what: str) -> None:
    """What is not the ready line is named, with what is missing in it."""
    with pytest.raises(BadInput, match=what):
        RealTradingEngine.simulated(line)


def test_a_dead_journal_is_told_and_commands_are_refused(simulator: dict[str, Any]) -> None:
    """When the house cannot go on, the program is called, `wait` returns, and no order is taken that would go nowhere."""
    told: list[str] = []
    before = set(threading.enumerate())
    bare = RealTradingEngine.simulated(simulator, WIDE)
    credentials = Credentials(key=simulator["key"], secret=simulator["secret"])
    engine = RealTradingEngine(bare.settings, credentials, on_fatal=lambda actor, failure: told.append(actor)).start()
    engine.inject("journal", FaultKind.EXCEPTION)

    assert engine.wait(10)
    wait_until(lambda: told, 5, "the call of on_fatal")
    assert ["journal"] == told
    assert not engine.is_running
    with pytest.raises(BadInput, match="the engine cannot go on: actor journal ended the house"):
        engine.buy(SYMBOL, quantity="0.001")
    assert engine.stop()
    assert set(threading.enumerate()) == before
    assert set() == fills_at(simulator)
    shutil.rmtree(bare.settings.state_dir)


# -- several engines ----------------------------------------------------------


def test_two_engines_in_one_process_do_not_mix(processes: Processes) -> None:
    """Two engines on two exchanges trade at the same time; each knows its own orders, fills and money only."""
    readies = [
        start_simulator(processes, "--seed", "1", "--balance", "USDT=5000"),
        start_simulator(processes, "--seed", "2", "--balance", "USDT=9000"),
    ]
    first, second = (RealTradingEngine.simulated(ready, WIDE) for ready in readies)
    heard: list[set[str]] = [set(), set()]
    for engine, own in zip((first, second), heard, strict=True):
        engine.subscribe(lambda event, own=own: own.add(event.order.id) if isinstance(event, OrderFilled) else None)
    with first, second:
        tickets = [each.buy(SYMBOL, quantity=quantity) for quantity in ("0.002", "0.003") for each in (first, second)]
        assert all(ticket.wait().state is OrderState.FILLED for ticket in tickets)
        for engine, ready, own in zip((first, second), readies, heard, strict=True):
            assert engine.settled()
            assert engine.positions[f"user/{SYMBOL}"].quantity == D("0.004995")
            assert set(engine.orders) == own
            assert {(order.id, order.executed_quantity) for order in engine.orders.values()} == fills_at(ready)
        assert D(4000) < first.balances["USDT"] < 5000
        assert D(8000) < second.balances["USDT"] < 9000


def test_runs_of_one_journal_increase_and_remember(simulator: dict[str, Any], tmp_path: Path) -> None:
    """A second engine on the first one's journal has a higher run, and knows what the first one bought."""
    runs, held = [], []
    for _ in range(2):
        with RealTradingEngine.simulated(simulator, WIDE, state_dir=tmp_path) as engine:
            assert engine.buy(SYMBOL, quantity="0.001").wait().state is OrderState.FILLED
            assert engine.settled()
            runs.append(engine.run)
            held.append(engine.positions[f"user/{SYMBOL}"].quantity)

    assert runs[0] < runs[1]
    assert held[1] == 2 * held[0] > 0


def test_a_journal_in_use_is_refused_at_once(processes: Processes, simulator: dict[str, Any], tmp_path: Path) -> None:
    """A second engine on a journal that is in use fails with exit code 75 before it asks its exchange anything."""
    other = start_simulator(processes)
    with RealTradingEngine.simulated(simulator, state_dir=tmp_path) as engine:
        began = time.monotonic()
        with pytest.raises(BadInput, match="in use") as caught:
            RealTradingEngine.simulated(other, state_dir=tmp_path).start()

        assert caught.value.exit_code == 75
        assert time.monotonic() - began < 2
        assert [] == judge(other, "requests")["requests"]
        assert engine.is_ready


# -- orders -------------------------------------------------------------------


def test_a_ticket_follows_its_order_to_the_end(simulator: dict[str, Any]) -> None:
    """Recorded, then final: the ticket shows the order as the exchange has it."""
    with RealTradingEngine.simulated(simulator, WIDE) as engine:
        ticket = engine.buy(SYMBOL, quote_quantity=500)
        assert ticket.wait_recorded()
        order = ticket.wait()
        assert ticket.is_final
        assert "" == ticket.detail
        assert (order, ticket.id) == (ticket.order, order.id)
        assert OrderState.FILLED is order.state
        assert D(490) < order.cumulative_quote <= D(500)
        assert {(order.id, order.executed_quantity)} == fills_at(simulator)


def test_a_resting_order_is_recorded_and_not_final_until_cancelled(simulator: dict[str, Any]) -> None:
    """A limit far below the market waits; `cancel` ends it, and no coin has moved."""
    with RealTradingEngine.simulated(simulator, WIDE) as engine:
        far_below = (last_price(simulator) * D("0.9")).quantize(D(1))
        ticket = engine.buy(SYMBOL, quantity="0.01", price=far_below, rests=True)
        assert ticket.wait_recorded()
        wait_until(lambda: ticket.order is not None and ticket.order.exchange_order_id, 5, "the order in the book")
        assert not ticket.is_final

        engine.cancel(ticket.id)
        assert OrderState.CANCELLED is ticket.wait().state
        assert ticket.is_final
        assert engine.balances["USDT"] == D(10_000)


def test_a_refused_order_says_why_and_is_never_sent(simulator: dict[str, Any]) -> None:
    """Over a limit, of a symbol not allowed, of coins not managed: refused with the code, nothing at the exchange."""
    with RealTradingEngine.simulated(simulator, WIDE) as engine:
        told = {
            "RISK_ORDER_VALUE_MAX": engine.buy(SYMBOL, quote_quantity="2500"),
            "RISK_SYMBOL_NOT_ALLOWED": engine.buy("ETHUSDT", quantity="0.1"),
            "RISK_POSITION_INSUFFICIENT": engine.sell(SYMBOL, quantity="0.5"),
        }
        for reason, ticket in told.items():
            assert ticket.wait().state is OrderState.REJECTED
            assert ticket.is_final
            assert not ticket.wait_recorded()
            assert ticket.detail.startswith(reason)
        assert set() == fills_at(simulator)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"side": "BUY", "quantity": 0.5}, "not an amount: 0.5"),
        ({"side": "BUY", "quantity": "NaN"}, "not a plain decimal number: 'NaN'"),
        ({"side": "BUY", "quantity": "1e400"}, "not a plain decimal number"),
        ({"side": "BUY", "quantity": Decimal("0." + "1" * 60)}, "more than 20 digits after the point"),
        ({"side": "HOLD", "quantity": "1"}, "'HOLD' is not a valid Side"),
        ({"side": "BUY", "quantity": "1", "order_type": "STOP"}, "'STOP' is not a valid OrderType"),
        ({"side": "BUY", "quantity": "1", "price": "1", "time_in_force": "GTX"}, "'GTX' is not a valid TimeInForce"),
    ],
)
def test_what_is_no_order_is_refused_at_the_door(quiet: dict[str, Any], what: dict[str, Any], why: str) -> None:
    """Floats, nonsense and unknown words raise before anything is sent anywhere."""
    with RealTradingEngine.simulated(quiet) as engine, pytest.raises(BadInput, match=f"no order: {why}"):
        engine.submit(SYMBOL, **what)


# -- events -------------------------------------------------------------------


def test_listeners_hear_until_they_are_removed(simulator: dict[str, Any]) -> None:
    """A subscriber hears every event; removed, none; another one's mistake hurts nobody."""

    def clumsy(event: object) -> None:
        raise RuntimeError("a listener's own mistake")

    heard: list[object] = []
    engine = RealTradingEngine.simulated(simulator, WIDE)
    engine.subscribe(clumsy)
    twice = [engine.subscribe(heard.append), engine.subscribe(heard.append)]
    twice[1]()
    with engine:
        wait_until(lambda: any(isinstance(event, BreakerChanged) for event in heard), 5, "the breaker's first event")
        order = engine.buy(SYMBOL, quantity="0.001").wait()
        assert engine.settled()
        assert [order.id] == [event.order.id for event in heard if isinstance(event, OrderFilled)]

        twice[0]()
        count = len(heard)
        assert engine.sell(SYMBOL, quantity="0.0005").wait().state is OrderState.FILLED
        assert engine.settled()
        assert count == len(heard)


def test_reconcile_answers_with_the_round_it_asked_for(quiet: dict[str, Any]) -> None:
    """`reconcile` looks now and says what it found: nothing, on an honest exchange."""
    with RealTradingEngine.simulated(quiet) as engine:
        found = engine.reconcile(15)

        assert found is not None
        assert found.clean


def test_settings_made_by_hand_start_an_engine(quiet: dict[str, Any], tmp_path: Path) -> None:
    """A program with settings and credentials of its own needs no file; paths start from its folder."""
    settings = Settings(
        mode="simulated", symbols=[SYMBOL], state_dir="own", metrics_listen=None,
        venue=RealTradingEngine.simulated(quiet).settings.venue,
    )  # fmt: skip
    credentials = Credentials(key=quiet["key"], secret=quiet["secret"])
    with RealTradingEngine(settings, credentials, base_dir=tmp_path) as engine:
        assert engine.is_ready
        assert (tmp_path / "own" / "journal-simulated.db").exists()
    assert quiet["secret"] not in repr(credentials)
