"""Orders out of a memory that was lost, and people who trade by hand: classified, shown, and no halt."""

import threading
from decimal import Decimal
from pathlib import Path

import pytest

from house.fault_kit import (
    EVENTS,
    LARGE,
    MEAN,
    STEPS_MAX,
    Stands,
    judge_bid,
    stands,
)
from house.kit import SYMBOL, Judge
from processes import Processes
from realtrading.domain.events import ActorRestarted, ExternalTradeSeen
from realtrading.domain.orders import OrderState
from realtrading.domain.reconciliation import DiscrepancyKind
from realtrading.engine import RealTradingEngine
from waiting import wait_until


@pytest.mark.parametrize("muted", [False, True], ids=["stream", "mute"])
def test_an_order_of_ours_that_no_journal_knows_is_adopted(muted: bool, stand_at: Stands) -> None:
    """It carries our prefix and nobody here remembers it: taken in, filled, accounted for to its strategy."""
    stand = stand_at()
    if muted:
        stand.mute()
    ghost = f"{stand.engine.settings.prefix}_1_ghost_n1"
    stand.by_hand("BUY", "0.002", newClientOrderId=ghost)
    if muted:
        assert stand.engine.reconcile(10) is not None
    wait_until(lambda: ghost in stand.engine.orders, 10, "adopted")
    assert stand.healed().clean
    assert stand.engine.orders[ghost].state is OrderState.FILLED
    assert stand.engine.orders[ghost].strategy == "ghost"


def test_an_order_of_ours_in_a_symbol_this_house_does_not_trade_harms_nobody(tmp_path: Path) -> None:
    """Our prefix, but a symbol that the configuration does not name: no actor dies of it, no book keeps it, and what it
    moved is a trade of somebody else's, found in that symbol's own list."""
    started = Processes(tmp_path)
    try:
        elsewhere = Judge(started, symbols=(SYMBOL, "ETHUSDT"), balances=("USDT=1000000", "BTC=1", "ETH=5"))
        with stands(elsewhere, tmp_path) as make:
            stand = make()
            ghost = f"{stand.engine.settings.prefix}_1_ghost_n1"
            elsewhere.call("orders", symbol="ETHUSDT", side="SELL", type="MARKET", quantity="0.1", newClientOrderId=ghost)
            wait_until(lambda: stand.flow("ETH", "external_trade") == Decimal("-0.1"), 20, "explained")
            assert stand.clean_round()
            assert stand.now_open() == set()
            assert stand.engine.balances == elsewhere.totals()
            assert [event.name for event in stand.ear.of(ActorRestarted)] == []
            assert (stand.engine.failure, stand.engine.orders) == (None, {})
    finally:
        problems = started.end_all()
    assert not problems, problems


def test_an_order_that_outlived_its_journal_is_adopted_at_the_start(judge: Judge, stand_at: Stands) -> None:
    """The disk is new, an order with our prefix is live and partly filled: adopted, and the ledger opens with what the
    account held without counting those fills twice; it fills on and both ledgers agree."""

    def leave_one(engine: RealTradingEngine) -> None:
        name = f"{engine.settings.prefix}_1_ghost_n1"
        for _ in range(200):
            if judge_bid(judge) >= MEAN:
                break
            judge.call("step", trades=10)
        wanted = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": str(LARGE)}
        judge.call("orders", **wanted, price=str(judge_bid(judge)), newClientOrderId=name)
        for _ in range(STEPS_MAX):
            if judge.orders(engine.settings.prefix)[name][0]["status"] == "PARTIALLY_FILLED":
                return
            judge.call("step", trades=1)

    stand = stand_at(before_start=leave_one)
    ghost = f"{stand.engine.settings.prefix}_1_ghost_n1"
    taken_in = stand.engine.orders[ghost]
    assert taken_in.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED), "what was filled before is in the opening balance"
    for _ in range(STEPS_MAX):
        stand.step()
        if judge.orders(stand.engine.settings.prefix)[ghost][0]["status"] == "FILLED":
            break
    assert stand.healed().clean
    assert stand.engine.orders[ghost].state is OrderState.FILLED
    assert stand.causes() == set()


@pytest.mark.parametrize("when", ["before", "after"])
def test_money_that_arrives_before_the_first_snapshot_is_counted_once(when: str, judge: Judge, stand_at: Stands) -> None:
    """A deposit between the stream's beginning and the first account answer, in that answer or not yet: no drift."""

    def deposit_meanwhile(engine: RealTradingEngine) -> None:
        # the preflight asks for the account first
        judge.fault(f"delay_{when}", {"path": "/api/v3/account", "nth": 2}, ms=500)
        seen = judge.call("requests")["seq"]

        def deposit() -> None:
            wait_until(lambda: len(judge.requests(seen, "account")) == 2, 10, "the first snapshot is under way")
            judge.call("deposit", asset="USDT", amount="5")

        threading.Thread(target=deposit).start()

    stand = stand_at(before_start=deposit_meanwhile)
    wait_until(lambda: stand.flow("USDT", "deposit") == 5, 5, "booked")
    assert stand.healed().clean
    assert "DRIFT" not in stand.causes()


@pytest.mark.matrix("D12", invariants="G4 G5")
# -- people ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_trade_by_hand_moves_the_wallet_and_nothing_else(side: str, stand_at: Stands) -> None:
    """Somebody trades on the same account: an external trade in the ledger, no position, no drift, no halt."""
    stand = stand_at()
    stand.trades_on()
    before = dict(stand.engine.positions)
    stand.by_hand(side)
    wait_until(lambda: stand.ear.of(ExternalTradeSeen), 10, "classified")
    assert stand.healed().clean
    assert {key: position.quantity for key, position in stand.engine.positions.items()} == {
        key: position.quantity for key, position in before.items()
    }
    assert stand.causes() == set()
    assert stand.found(DiscrepancyKind.BALANCE_DRIFT) == []
    moved = [line.flows.get("external_trade") for line in stand.engine.rows("balances", "ledger").values()]
    assert sum(flow is not None for flow in moved) >= 2


def test_trades_by_hand_in_the_gap_between_two_streams_are_found(stand_at: Stands) -> None:
    """Nobody listened when somebody traded by hand, ours filled in between: both are told apart and booked."""
    stand = stand_at()
    ticket = stand.touching()
    stand.judge.call("cut", streams="user")
    stand.by_hand("BUY")
    stand.step_until(ticket, "FILLED")
    stand.by_hand("SELL")
    wait_until(lambda: stand.engine.is_ready, 10, "reopened")
    wait_until(lambda: len({seen.exchange_order_id for seen in stand.ear.of(ExternalTradeSeen)}) == 2, 10, "classified")
    assert stand.healed().clean
    assert stand.state(ticket) is OrderState.FILLED
    assert stand.causes() == {"STREAM_LOST"}


@pytest.mark.matrix("D12", invariants="G4 G5")
def test_an_order_by_hand_that_rests_is_shown_and_left_alone(stand_at: Stands) -> None:
    """A foreign open order is a remark of the round; nobody cancels it and nothing is shut."""
    stand = stand_at()
    placed = stand.by_hand("BUY", "0.01", type="LIMIT", price=str(stand.under("0.8")), timeInForce="GTC")
    assert stand.healed().clean
    assert f"{SYMBOL}:{placed['orderId']}" in stand.found(DiscrepancyKind.FOREIGN_ORDER)
    assert stand.causes() == set()
    assert placed["clientOrderId"] not in stand.engine.orders
    stand.judge.call("cancel", symbol=SYMBOL, orderId=str(placed["orderId"]))
    assert stand.healed().clean


@pytest.mark.parametrize("muted", [False, True], ids=["stream", "mute"])
def test_our_order_cancelled_by_hand_is_cancelled(muted: bool, stand_at: Stands) -> None:
    """A person cancels the engine's order at the exchange: told by the stream, or found by a round."""
    stand = stand_at()
    ticket = stand.touching()
    stand.step_until(ticket, "PARTIALLY_FILLED")
    if muted:
        stand.mute()
    stand.judge.call("cancel", symbol=SYMBOL, orderId=str(stand.truth(ticket)["orderId"]))
    if not muted:
        stand.until(ticket, OrderState.CANCELLED)
    assert stand.healed().clean
    assert stand.state(ticket) is OrderState.CANCELLED
    assert stand.asked("cancel") == []


@pytest.mark.matrix("D13", invariants="G4")
@pytest.mark.parametrize(("path", "kind"), [("deposit", "deposit"), ("withdraw", "withdrawal")])
@pytest.mark.parametrize("twice", [False, True], ids=["once", "duplicated"])
def test_money_that_comes_and_goes_is_a_flow(path: str, kind: str, twice: bool, stand_at: Stands) -> None:
    """A deposit or withdrawal moves the ledger once, as what it is: no drift, no halt."""
    stand = stand_at()
    stand.trades_on()
    if twice:
        stand.fault("duplicate_event", {**EVENTS, "event": "balanceUpdate"})
    stand.judge.call(path, asset="USDT", amount="123.45")
    line = wait_until(lambda: stand.flow("USDT", kind), 5, "booked")
    assert abs(line) == Decimal("123.45")
    assert stand.healed().clean
    assert stand.causes() == set()
    assert stand.found(DiscrepancyKind.BALANCE_DRIFT) == []


def test_two_equal_deposits_are_two(stand_at: Stands) -> None:
    """The same amount twice in a row is twice the money, not a repeated event."""
    stand = stand_at()
    for _ in range(2):
        stand.judge.call("deposit", asset="USDT", amount="5")
    wait_until(lambda: stand.flow("USDT", "deposit") == 10, 5, "both are booked")
    assert stand.healed().clean


@pytest.mark.matrix("D13", invariants="G4")
def test_an_asset_that_nobody_knew_arrives(stand_at: Stands) -> None:
    """A deposit of an asset that no symbol of ours has opens its line."""
    stand = stand_at()
    stand.judge.call("deposit", asset="DOGE", amount="42")
    wait_until(lambda: stand.engine.balances.get("DOGE") == 42, 5, "its line is open")
    assert stand.healed().clean
    stand.judge.call("withdraw", asset="DOGE", amount="42")
    wait_until(lambda: stand.engine.balances.get("DOGE") == 0, 5, "and empty again")
    assert stand.healed().clean


def test_a_lie_in_the_account_answer_is_drift_and_ends_with_it(stand_at: Stands) -> None:
    """One unit in the eighth decimal that no fact explains shuts that asset after the second look; true again, it opens."""
    stand = stand_at()
    stand.judge.call("lies", account_offset={"USDT": "0.00000001"})
    try:
        assert stand.engine.reconcile(10) is not None
        wait_until(lambda: stand.now_open() == {"DRIFT"}, 15, "drift is certain")
        blocked = stand.buy()
        assert blocked.wait(5) is not None
        assert blocked.detail.startswith("BREAKER_DRIFT")
        assert stand.engine.breaker_book.causes[0].scope == "asset:USDT"
    finally:
        stand.judge.call("lies", account_offset={})
    assert stand.healed().clean
    stand.trades_on()
