"""`realtrading status`, `orders`, `order`, `positions`, `balances`, `reconcile`: at a running engine, and at a stopped one."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from daemons import fetch, metrics_url, samples
from house.kit import SYMBOL, Judge, quiet, wait_ready, write_config
from journal.samples import record
from processes import Processes, Running
from realtrading.__main__ import call
from realtrading.config import load
from realtrading.domain.events import DifferenceAccepted, OperatorCommanded, OrderArchived
from realtrading.doors.socket.client import ask
from realtrading.doors.socket.desk import Desk
from realtrading.doors.socket.place import folder_of
from realtrading.doors.socket.protocol import FILE
from realtrading.doors.socket.server import Door
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput
from realtrading.journal.readers import opened
from realtrading.journal.store import Binding, Journal
from realtrading.metrics.machine import COMMANDS
from realtrading.metrics.view import view_of
from waiting import wait_until

FAR = "20000"
"""A price that nobody sells at."""

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def judge(processes: Processes) -> Judge:
    """An exchange whose market moves only when told."""
    return Judge(processes)


@pytest.fixture
def config(tmp_path: Path, judge: Judge) -> Path:
    """The file that the engine and whoever asks it read."""
    return write_config(tmp_path, judge)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], config: Path) -> Cli:
    """Runs `realtrading …` with the file: exit code, stdout, stderr."""

    def run(*typed: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = call([*typed, "--config", str(config)])
        told = capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return code, told.out, told.err

    return run


@attrs.define
class Stage:
    """An engine in this process, its door, and the exchange."""

    engine: RealTradingEngine
    door: Door
    judge: Judge

    def started(self) -> RealTradingEngine:
        """The engine, ready, with a book to trade with."""
        self.judge.call("step", trades=20)
        return self.engine.start()

    def stop(self) -> None:
        """As the daemon does."""
        if self.engine.phase != "new":
            assert self.engine.stop(10)
        assert self.door.close()


@pytest.fixture
def stage(config: Path, judge: Judge) -> Iterator[Stage]:
    """Not started yet; all of it is gone at the end."""
    settings = load(config)
    engine = RealTradingEngine(settings, base_dir=config.parent)
    opened_stage = Stage(engine, Door(folder_of(settings), Desk(engine)), judge)
    yield opened_stage
    opened_stage.stop()


def as_json(cli: Cli, *typed: str) -> dict[str, Any]:
    """The one object that a command prints."""
    _, out, _ = cli(*typed, "--json")
    found: dict[str, Any] = json.loads(out)
    assert found["schema"] == 1
    return found


def resting(engine: RealTradingEngine) -> Any:
    """An order of ours that waits far from the market."""
    ticket = engine.buy(SYMBOL, quantity="0.001", price=FAR, rests=True)
    wait_until(lambda: ticket.order is not None and ticket.order.state == "New", 10, "it rests")
    return ticket


# --- reads ------------------------------------------------------------------------------------------------------------


def test_status_is_five_lines(cli: Cli, stage: Stage) -> None:
    """May it trade, is it connected, what is held, what is working, what is wrong."""
    engine = stage.started()
    engine.buy(SYMBOL, quantity="0.01").wait(10)
    resting(engine)
    quiet(engine)

    code, out, err = cli("status")

    assert (code, err) == (0, "")
    trading, connected, holding, working, wrong = out.splitlines()
    assert trading == f"trading    yes (run {engine.run}, mode simulated, pid {os.getpid()})"
    assert connected.startswith("connected  user data yes, market yes; the exchange's clock is ")
    assert holding.startswith("holding    0.00999 BTC (user); ")
    assert working == "working    1 open order (BTCUSDT 1)"
    assert wrong == "wrong      nothing"


def test_status_before_the_start_says_so(cli: Cli, stage: Stage) -> None:
    """The door is open before the engine is: it does not trade, is not connected, and takes no commands."""
    told = as_json(cli, "status")
    code, _, err = cli("reconcile")

    assert (told["source"], told["phase"], told["trades"]) == ("engine", "new", False)
    assert told["connected"] == {"user_data": False, "market": False}
    assert (code, err) == (6, "realtrading: the engine takes no commands: it is new\n")


def test_status_names_what_is_wrong_and_what_to_do(cli: Cli, stage: Stage) -> None:
    """An asset that differs without an explanation shuts its door only, and the last line leads to both sides."""
    engine = stage.started()
    stage.judge.call("lies", account_offset={"USDT": "0.5"})
    code, out, _ = cli("reconcile")
    told = as_json(cli, "status")
    _, page, _ = cli("status")
    stage.judge.call("lies", account_offset={})
    healed, _, _ = cli("reconcile")

    assert code == 11
    assert "balance_drift USDT: engine 1000000, exchange 1000000.5; unresolved: exchange - engine = 0.5" in out
    assert "differences remain" in out
    assert [(cause["kind"], cause["scope"]) for cause in told["causes"]] == [("DRIFT", "asset:USDT")]
    assert "trading    yes, but not asset:USDT" in page
    assert "realtrading reconcile shows both sides" in page.splitlines()[4]
    assert healed == 0
    wait_ready(engine)


def test_a_person_answers_for_what_nothing_explains(cli: Cli, stage: Stage) -> None:
    """Only the whole difference, with a reason; a dry run books nothing; then the ledger agrees and the journal knows who."""
    engine = stage.started()
    stage.judge.call("lies", account_offset={"USDT": "0.5"})
    assert cli("reconcile")[0] == 11
    too_much = cli("reconcile", "--accept", "USDT=0.6", "--reason", "airdrop")
    other = cli("reconcile", "--accept", "BTC=1", "--reason", "airdrop")
    dry = cli("reconcile", "--accept", "USDT=0.50", "--reason", "airdrop", "--dry-run")
    still, residuals = engine.balances["USDT"], view_of(engine, lambda: None, {}).residuals
    done = cli("reconcile", "--accept", "USDT=0.5", "--reason", "airdrop")
    again = cli("reconcile", "--accept", "USDT=0.5", "--reason", "airdrop")

    whole = "realtrading: accept: the difference of USDT (exchange - engine) is 0.5, not 0.6: nothing was booked\n"
    assert (too_much[0], too_much[2]) == (2, whole)
    nothing = "realtrading: accept: BTC has no unexplained difference: nothing to accept\n"
    assert (other[0], other[2]) == (2, nothing)
    assert (dry[0], still) == (0, 1_000_000)
    assert dry[1].startswith("0.5 USDT would be booked as other: accepted by uid ")
    assert done[0] == 0, done
    assert done[1].startswith("0.5 USDT booked as other: accepted by uid ")
    assert engine.rows("balances", "ledger")["USDT"].flows == {"other": Decimal("0.5")}
    assert engine.breaker_book.causes == ()
    assert residuals == {"BTC": 0, "USDT": Decimal("0.5")}
    assert view_of(engine, lambda: None, {}).residuals == {"BTC": 0, "USDT": 0}
    assert again[0] == 2
    with opened(Path(engine.settings.journal_path)) as journal:
        (kept,) = journal.events(types=["DifferenceAccepted"])
    assert isinstance(kept.event, DifferenceAccepted)
    assert (kept.event.asset, kept.event.amount, kept.event.reason) == ("USDT", Decimal("0.5"), "airdrop")
    assert f"uid {os.getuid()}" in kept.event.by
    assert "accepted it: airdrop" in cli("reconcile", "--last", "5")[1]


@pytest.mark.parametrize("typed", [
    ("--accept", "USDT"), ("--accept", "USDT=1"), ("--accept", "USDT=1", "--reason", " "), ("--reason", "airdrop"),
    ("--dry-run",), ("--accept", "USDT=1", "--reason", "a", "--last", "2"), ("--accept", "=1", "--reason", "a"),
    ("--accept", "USDT=1", "--reason", "two\nlines"),
])  # fmt: skip
def test_half_a_word_is_none(cli: Cli, typed: tuple[str, ...]) -> None:
    """An amount without a reason, a reason without an amount, or something else: exit code 2 and one sentence."""
    code, out, err = cli("reconcile", *typed)
    assert (code, out) == (2, "")
    assert err.startswith("realtrading: ")


@pytest.mark.parametrize("amount", ["NaN", "1e400", "1_0", "0x1", "one"])
def test_an_amount_is_a_plain_number(cli: Cli, stage: Stage, amount: str) -> None:
    """The engine reads it as it reads the exchange's."""
    stage.started()
    code, _, err = cli("reconcile", "--accept", f"USDT={amount}", "--reason", "airdrop")
    assert (code, err.startswith("realtrading: accept: amount: ")) == (2, True)


def test_nothing_is_accepted_without_an_engine(cli: Cli) -> None:
    """Exit code 3 with its sentence: the ledger is the engine's, and it is not running."""
    code, out, err = cli("reconcile", "--accept", "USDT=1", "--reason", "airdrop")
    assert (code, out) == (3, "")
    assert err.startswith("realtrading: the engine is not running: nobody listens at ")


def test_positions_and_balances_tell_whose_it_is(cli: Cli, stage: Stage) -> None:
    """The wallet's first coin is not the house's, what it bought is; total and report agree."""
    engine = stage.started()
    engine.buy(SYMBOL, quantity="0.01").wait(10)
    quiet(engine)
    assert cli("reconcile")[0] == 0

    (position,) = as_json(cli, "positions")["positions"]
    balances = {each["asset"]: each for each in as_json(cli, "balances")["balances"]}

    assert (position["strategy"], position["quantity"], position["base"]) == ("user", "0.00999", "BTC")
    assert position["unrealized"] is not None
    assert (balances["BTC"]["total"], balances["BTC"]["unmanaged"], balances["BTC"]["drift"]) == ("1.00999", "1", "0")
    assert balances["USDT"]["total"] == balances["USDT"]["reported"]
    assert "1.00999" in cli("balances")[1]
    assert "0.00999 BTC at" in cli("positions")[1]


def test_orders_are_those_that_live_or_all(cli: Cli, stage: Stage) -> None:
    """What is over is shown on demand."""
    engine = stage.started()
    over = engine.buy(SYMBOL, quantity="0.01")
    over.wait(10)
    live = resting(engine)

    working = as_json(cli, "orders")["orders"]
    every = as_json(cli, "orders", "--all")["orders"]

    assert [(order["id"], order["state"]) for order in working] == [(live.id, "New")]
    assert {order["id"]: order["state"] for order in every} == {over.id: "Filled", live.id: "New"}
    assert f"{live.id}  New             BTCUSDT BUY LIMIT 0.001 at 20000" in cli("orders")[1]


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_an_order_is_told_with_its_life(cli: Cli, stage: Stage, stopped: bool) -> None:
    """State, then a line per record from intent to ledger; by the exchange's number too; also of a stopped engine."""
    engine = stage.started()
    ticket = engine.buy(SYMBOL, quantity="0.01")
    done = ticket.wait(10)
    quiet(engine)
    assert done is not None
    if stopped:
        stage.stop()

    code, out, err = cli("order", ticket.id)
    told = as_json(cli, "order", f"{SYMBOL}:{done.exchange_order_id}")

    assert code == 0
    assert out.startswith(f"{ticket.id}  Filled          BTCUSDT BUY MARKET 0.01, 0.01 filled for ")
    for step in ("IntentRecorded", "OrderFilled", "PositionOpened", "BalanceUpdated"):
        assert step in out
    assert (told["order"]["id"], told["source"]) == (ticket.id, "journal" if stopped else "engine")
    assert told["life"][0]["type"] == "IntentRecorded"
    assert ("this is what its journal says" in err) is stopped


def test_an_order_nobody_knows_is_not_found(cli: Cli, stage: Stage) -> None:
    """Exit code 8, and where to look instead."""
    stage.started()
    for name in ("nope", "BTCUSDT:999999", "\udcff", "1" * 400):
        code, out, err = cli("order", name)
        assert (code, out) == (8, "")
        assert "realtrading orders --all lists" in err


# --- people beside the engine ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_what_is_done_by_hand_is_seen(cli: Cli, stage: Stage, stopped: bool) -> None:
    """A resting order, a sale, a cancel of ours and a withdrawal by hand: each is named, none stops trading."""
    engine, judge = stage.started(), stage.judge
    ours = resting(engine)
    waits = judge.call(
        "orders", symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.1", price=FAR,
        newClientOrderId="web_1",
    )  # fmt: skip
    sold = judge.call("orders", symbol=SYMBOL, side="SELL", type="MARKET", quantity="0.1")
    judge.call("cancel", symbol=SYMBOL, origClientOrderId=ours.id)
    judge.call("withdraw", asset="USDT", amount="500")
    wait_until(lambda: "withdrawal" in engine.rows("balances", "ledger")["USDT"].flows, 10, "the withdrawal is booked")
    wait_until(lambda: "external_trade" in engine.rows("balances", "ledger")["BTC"].flows, 10, "the sale is booked")
    wait_until(lambda: ours.order.state == "Cancelled", 10, "the cancel is heard")

    code, out, _ = cli("reconcile")
    if stopped:
        wait_ready(engine)
        stage.stop()
        code, out, _ = cli("reconcile")
    _, own, _ = cli("order", ours.id)
    waiting = [cli("order", name)[1] for name in ("web_1", f"{SYMBOL}:{waits['orderId']}")]
    _, sale, _ = cli("order", f"{SYMBOL}:{sold['orderId']}")

    assert code == (3 if stopped else 0)
    assert f"foreign_order {SYMBOL}:{waits['orderId']}: engine not known, exchange NEW 0; explained: web_1 was not sent" in out
    assert "external_trade: -0.1 BTC" in out
    assert "withdrawal: -500 USDT" in out
    assert f"cancelled: {ours.id} ({SYMBOL})" in out
    assert "Cancelled       BTCUSDT BUY LIMIT 0.001 at 20000; nobody here asked for its cancel" in own
    assert all("is not ours" in each and "foreign_order" in each for each in waiting)
    assert "explained: moved -0.1 BTC, " in sale
    if not stopped:
        wait_ready(engine)


def test_coins_sold_by_hand_cut_the_position(cli: Cli, stage: Stage) -> None:
    """Somebody takes more than was the wallet's own: the position is cut to what is left, and it is said."""
    engine, judge = stage.started(), stage.judge
    engine.buy(SYMBOL, quantity="0.01").wait(10)
    quiet(engine)
    judge.call("step", trades=20)
    judge.call("withdraw", asset="BTC", amount="0.99")
    judge.call("orders", symbol=SYMBOL, side="SELL", type="MARKET", quantity="0.015")
    wait_until(lambda: engine.positions[f"user/{SYMBOL}"].quantity == Decimal("0.00499"), 20, "the position is cut")

    code, out, _ = cli("reconcile")

    assert code == 0
    assert f"position_cut user/{SYMBOL}: engine 0.00499" in out
    assert "external_trade: -0.015 BTC" in out
    assert "withdrawal: -0.99 BTC" in out
    assert as_json(cli, "positions")["positions"][0]["quantity"] == "0.00499"


def test_an_archived_order_has_its_life_still(cli: Cli, stage: Stage) -> None:
    """The tables have forgotten it, the journal has not."""
    engine = stage.started()
    ticket = engine.buy(SYMBOL, quantity="0.01")
    done = ticket.wait(10)
    quiet(engine)
    assert done is not None
    stage.stop()
    journal = str(engine.settings.journal_path)
    with Journal.open(
        Path(journal), binding=Binding(mode="simulated"), durability="process", code_version="1", config_digest="0",
        utc=lambda: done.updated_at,
    ) as store:  # fmt: skip
        store.begin_run(engine.run + 1)
        store.append([record(OrderArchived(id=done.id, strategy=done.strategy, symbol=done.symbol))])

    code, out, _ = cli("order", ticket.id)

    assert code == 0
    assert out.startswith(f"{ticket.id} is over and archived\n")
    assert "OrderFilled" in out


# --- commands ---------------------------------------------------------------------------------------------------------


def test_a_command_is_recorded_and_counted(cli: Cli, stage: Stage) -> None:
    """Who, what and when stand in the journal; a read leaves no record."""
    engine = stage.started()
    assert cli("status")[0] == 0
    assert cli("reconcile", "--timeout", "20")[0] == 0
    assert engine.settled()

    with opened(engine.settings.journal_path) as reader:
        (stored,) = reader.events(types=["OperatorCommanded"])
    event = stored.event
    assert isinstance(event, OperatorCommanded)
    assert (stored.sender, event.command, json.loads(event.detail)) == ("door", "reconcile", {"timeout_s": 20.0})
    assert event.by.startswith(f"uid {os.geteuid()} (")
    assert event.by.endswith(f"pid {os.getpid()}")
    assert dict(engine.tally.commands) == {("reconcile",): 1}


def test_commands_are_known_to_the_metrics(stage: Stage) -> None:
    """Each command that is refused before the start is one whose count begins at 0, and none is left out."""
    with pytest.raises(BadInput) as wrong:
        ask(stage.door.path.parent, "no such thing")
    offered = str(wrong.value).rpartition("there are: ")[2].rstrip(")").split(", ")

    def is_command(name: str) -> bool:
        try:
            ask(stage.door.path.parent, name, {"id": "x"})
        except BadInput as refused:
            return refused.exit_code == 6
        return False

    assert wrong.value.exit_code == 2
    assert tuple(filter(is_command, offered)) == COMMANDS


def test_a_round_that_does_not_end_is_not_waited_for(cli: Cli, stage: Stage) -> None:
    """Exit code 10, with the failed rounds and why."""
    stage.started()
    stage.judge.fault("status_before", {"path": "/api/v3/openOrders"}, count=None, status=500)
    code, out, _ = cli("reconcile", "--timeout", "1.5")
    stage.judge.heal()

    assert code == 10
    assert "(operator): failed: " in out
    assert "no round was finished within 1.5 s" in out


@pytest.mark.parametrize("seconds", [0, -1, 601, True, "5", None])
def test_a_length_of_time_that_is_none_is_refused(stage: Stage, seconds: Any) -> None:
    """Exit code 2, whatever a client sends instead of seconds."""
    stage.started()
    with pytest.raises(BadInput, match="timeout_s") as refused:
        ask(stage.door.path.parent, "reconcile", {"timeout_s": seconds})

    assert refused.value.exit_code == 2


def test_an_answer_is_told_without_the_journal_too(cli: Cli, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read beside the engine's answer does not hide it."""
    stage.started()
    monkeypatch.setattr("realtrading.doors.socket.stopped.reports", refuse)

    code, out, _ = cli("reconcile")

    assert code == 0
    assert out.splitlines()[-1].startswith("clean: ")


def refuse(*_: object) -> None:
    raise BadInput("the journal cannot be read", exit_code=11)


def test_no_length_of_time_is_no_wait(cli: Cli) -> None:
    """`nan` compares with nothing, so no range refuses it: exit code 2 all the same."""
    for text in ("nan", "inf", "0", "-1", "soon"):
        assert cli("reconcile", "--timeout", text)[0] == 2


def test_the_last_rounds_are_kept(cli: Cli, stage: Stage) -> None:
    """`--last` reads them from the journal and asks for none."""
    engine = stage.started()
    assert [cli("reconcile")[0] for _ in range(3)] == [0, 0, 0]
    assert engine.settled()
    before = engine.tally.commands[("reconcile",)]

    kept = as_json(cli, "reconcile", "--last", "2")["rounds"]

    assert [(each["trigger"], each["result"]) for each in kept] == [("operator", "clean")] * 2
    assert engine.tally.commands[("reconcile",)] == before == 3


def test_an_engine_that_stops_ends_the_wait(stage: Stage) -> None:
    """Whoever waits for a round hears that there will be none."""
    engine = stage.started()
    stage.judge.fault("status_before", {"path": "/api/v3/openOrders"}, count=None, status=500)
    folder = os.open(stage.door.path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.connect(f"/proc/self/fd/{folder}/{FILE}")
        os.close(folder)
        waiting.settimeout(20)
        waiting.sendall(b'{"schema":1,"command":"reconcile","arguments":{"timeout_s":500}}\n')
        wait_until(lambda: engine.tally.commands[("reconcile",)], 10, "it is under way")
        assert engine.stop(10)
        answer = json.loads(waiting.recv(1 << 16))
    stage.judge.heal()

    assert (answer["ok"], answer["exit_code"]) == (False, 6)
    assert answer["error"] == "the engine stopped during the round"


def test_a_crowd_at_the_door_does_not_touch_trading(stage: Stage) -> None:
    """Silent, deaf and babbling clients fill every place; orders go on being filled and rounds are clean."""
    engine = stage.started()
    with contextlib.ExitStack() as crowd:
        for number in range(12):
            client = crowd.enter_context(socket.socket(socket.AF_UNIX))
            folder = os.open(stage.door.path.parent, os.O_PATH)
            client.connect(f"/proc/self/fd/{folder}/{FILE}")
            os.close(folder)
            with contextlib.suppress(BrokenPipeError):
                client.send((b"", b'{"schema":1,', b'{"schema":1,"command":"status"}\n' * 50, b"\xff" * 70_000)[number % 4])
        states = [order.state for _ in range(5) if (order := engine.buy(SYMBOL, quantity="0.001").wait(10))]
        done = engine.reconcile(20)

    assert states == ["Filled"] * 5
    assert done is not None
    assert done.clean


# --- the daemon as a process ------------------------------------------------------------------------------------------


def daemon(processes: Processes, config: Path, deadline_s: float = 30) -> Running:
    """`realtrading run`, ready."""
    started = processes.python("-m", "realtrading", "run", "--config", str(config))
    started.wait_for_line("realtrading: ready", deadline_s)
    return started


def test_a_daemon_is_asked_and_its_journal_after_it(processes: Processes, config: Path, cli: Cli) -> None:
    """While it runs it answers; SIGTERM takes the socket away; then the journal tells, and commands end with 3."""
    running = daemon(processes, config)
    page, series = metrics_url(running), 'realtrading_operator_commands_total{command="reconcile"}'
    assert samples(fetch(page))[series] == 0
    place = folder_of(load(config)) / FILE
    assert cli("status")[1].startswith("trading    yes (run ")
    assert cli("reconcile")[0] == 0
    wait_until(lambda: samples(fetch(page))[series] == 1, 5, "the command is counted")
    assert place.is_socket()
    running.send(signal.SIGTERM)
    assert running.wait(20) == 0

    assert not place.exists()
    code, out, _ = cli("status")
    assert code == 0
    assert len(out.splitlines()) == 5
    assert out.startswith("trading    no: the engine is not running; run ")
    assert "stopped in order at" in out
    code, out, err = cli("reconcile")
    assert code == 3
    assert "(operator): clean" in out
    assert "the engine is not running: nobody listens at" in err
    for command in ("orders", "positions", "balances"):
        told = as_json(cli, command)
        assert told["source"] == "journal"


def test_a_killed_daemon_is_said_to_be_dead_and_replaced(processes: Processes, config: Path, cli: Cli) -> None:
    """Its socket file stays and misleads nobody: not whoever asks, not the next daemon."""
    first = daemon(processes, config)
    first.send(signal.SIGKILL)
    assert first.wait(10) == -signal.SIGKILL
    place = folder_of(load(config)) / FILE
    assert place.is_socket()
    assert "ended without a good-bye" in cli("status")[1]

    second = daemon(processes, config)
    told = as_json(cli, "status")
    assert (told["source"], told["pid"]) == ("engine", second.pid)
    second.send(signal.SIGTERM)
    assert second.wait(20) == 0


def test_a_stopped_process_is_told_from_a_dead_one(processes: Processes, config: Path, cli: Cli) -> None:
    """It does not answer: the journal tells, and the exit code is 3."""
    running = daemon(processes, config)
    running.send(signal.SIGSTOP)
    code, out, err = cli("status")
    running.send(signal.SIGCONT)

    assert code == 3
    assert len(out.splitlines()) == 5
    assert f"the engine (pid {running.pid}) did not answer within 5 s" in err
    running.send(signal.SIGTERM)
    assert running.wait(20) == 0


def test_an_engine_that_never_ran_has_nothing_to_tell(cli: Cli) -> None:
    """Neither socket nor journal: exit code 3, and no file is made."""
    for command in ("status", "orders", "positions", "balances", "reconcile"):
        code, out, err = cli(command)
        assert (code, out) == (3, "")
        assert "the engine is not running" in err


def test_asking_is_quick_because_it_imports_little(stage: Stage, config: Path) -> None:
    """Neither the exchange's library nor a web server, neither actors nor the journal are loaded to ask for the status."""
    script = (
        "import sys; from realtrading.__main__ import call; code = call(['status', '--config', sys.argv[1]])\n"
        "heavy = {'aiohttp', 'binance', 'pykka', 'sqlite3', 'asyncio', 'msgspec', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\nassert not [name for name in sys.modules if name.startswith('realtrading.actors')]\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(config)], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 5
