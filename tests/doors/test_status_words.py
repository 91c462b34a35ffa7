"""The five lines of `status` and the lines of rounds, for states that are rare at a living engine."""

from typing import Any

import pytest

from realtrading.domain.breaker import CauseKind
from realtrading.doors.socket.words import DO, order_line, rounds_lines, status_lines

RUNNING: dict[str, Any] = {
    "source": "engine", "pid": 9, "mode": "testnet", "run": 7, "phase": "started", "state": "running", "trades": True,
    "failure": None, "down": [], "causes": [], "connected": {"user_data": True, "market": True},
    "clock_offset_s": None, "positions": [], "reporting_asset": "USDT", "reporting_total": None, "day": None,
    "working": {"live": 0, "by_symbol": {}, "unknown": []},
}  # fmt: skip
STOPPED: dict[str, Any] = {
    "source": "journal", "path": "j.db", "mode": "testnet", "run": 7, "stopped": None, "trades": False, "causes": [],
    "positions": [], "reporting_asset": "USDT", "reporting_total": "5", "working": RUNNING["working"],
}  # fmt: skip


def cause(kind: str, scope: str = "account") -> dict[str, str]:
    return {"kind": kind, "scope": scope, "detail": "because", "since": "2026-11-22T12:00:00+00:00"}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "trading    yes (run 7, mode testnet, pid 9)"),
        ({"causes": [cause("DRIFT", "asset:BTC")]}, "trading    yes, but not asset:BTC (run 7, mode testnet, pid 9)"),
        (
            {"trades": False, "state": "reconciling", "causes": [cause("UNCONFIRMED")]},
            "trading    no new exposure: reconciling; exits and cancels pass (run 7, mode testnet, pid 9)",
        ),
        (
            {"trades": False, "state": "blocked", "causes": [cause("STREAM_LOST"), cause("ACCOUNT_RESET")]},
            "trading    no, exits neither: the account was reset (run 7, mode testnet, pid 9)",
        ),
        (
            {"trades": False, "mode": "observe"},
            "trading    no: mode observe sends nothing (run 7, mode observe, pid 9)",
        ),
        ({"trades": False, "phase": "stopping"}, "trading    no: the engine is stopping (run 7, mode testnet, pid 9)"),
        ({"connected": {"user_data": False, "market": True}}, "connected  user data NO, market yes"),
        ({"clock_offset_s": -0.25}, "connected  user data yes, market yes; the exchange's clock is -250 ms from ours"),
        ({"reporting_total": "5", "day": "-1.5"}, "holding    no position; 5 USDT by the ledger; day -1.5 USDT"),
        (
            {"working": {"live": 2, "by_symbol": {"BTCUSDT": 2}, "unknown": ["rt_1"]}},
            "working    2 open orders (BTCUSDT 2); of unknown outcome: rt_1",
        ),
        ({"failure": "the disk is gone"}, "wrong      the disk is gone; see its log"),
        ({"down": ["risk"]}, "wrong      risk does not progress"),
        (
            {"causes": [cause("CLOCK"), cause("LOSS", "strategy:a")]},
            "wrong      CLOCK (account): because; set this machine's clock right"
            " | LOSS (strategy:a): because; it stays shut until a person decides",
        ),
    ],
)
def test_a_running_engine_is_told_in_five_lines(changes: dict[str, Any], line: str) -> None:
    """Whatever is so, there are five, and the one concerned says it."""
    lines = status_lines({**RUNNING, **changes})

    assert len(lines) == 5
    assert line in lines


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "trading    no: the engine is not running; run 7, mode testnet, ended without a good-bye (read from j.db)"),
        (
            {"stopped": "2026-11-22T12:00:00+00:00"},
            "trading    no: the engine is not running; run 7, mode testnet, stopped in order at 2026-11-22 12:00:00"
            " (read from j.db)",
        ),
        ({"run": None}, "trading    no: the engine is not running and never ran (journal j.db)"),
        (
            {"working": {"live": 1, "by_symbol": {"BTCUSDT": 1}, "unknown": []}, "causes": [cause("DRIFT", "asset:BTC")]},
            "wrong      the engine is not running; what is working stays at the exchange unwatched;"
            " realtrading run --config FILE starts it | DRIFT (asset:BTC) was open",
        ),
        (
            {"causes": [cause("ACCOUNT_RESET")]},
            "wrong      the engine is not running; realtrading run --config FILE starts it | ACCOUNT_RESET (account) was open;"
            " stop the daemon; realtrading journal rebase --config FILE --reason TEXT begins a new opening balance",
        ),
    ],
)
def test_a_stopped_engine_is_told_in_five_lines_too(changes: dict[str, Any], line: str) -> None:
    """Out of the journal, and so it says."""
    lines = status_lines({**STOPPED, **changes})

    assert len(lines) == 5
    assert line in lines


def test_every_cause_has_its_advice() -> None:
    """No kind of cause leaves a person without a next step."""
    assert set(DO) == set(map(str, CauseKind))


def test_an_order_without_its_trades_says_so() -> None:
    """Filled by the exchange's word, with a trade nobody has told yet."""
    order = {
        "id": "rt_1", "state": "Filled", "symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0",
        "quote_quantity": "50", "price": None, "executed": "2", "cumulative_quote": "49", "missing": "1", "reason": "",
        "cancelled_by_others": False,
    }  # fmt: skip

    assert order_line(order) == (
        "rt_1  Filled          BTCUSDT BUY MARKET for 50, 2 filled for 49, 1 of it without a known trade"
    )


def test_a_round_tells_each_difference_once() -> None:
    """What is unresolved stands among the differences already; a failed round says why; nothing is said to be nothing."""
    found = {
        "kind": "balance_drift", "key": "BTC", "engine": "1", "exchange": "2", "resolution": "unresolved", "detail": "why",
    }  # fmt: skip
    report = {
        "round": "r-1", "trigger": "timer", "at": "2026-11-22T12:00:00.5+00:00", "result": "unclean", "detail": "",
        "discrepancies": [found], "unresolved": [found],
    }  # fmt: skip
    failed = {**report, "round": "r-2", "result": "failed", "detail": "HTTP 500", "discrepancies": [], "unresolved": []}

    assert rounds_lines({"rounds": [report, failed], "others": []}) == [
        "2026-11-22 12:00:00  r-1 (timer): unclean",
        "  balance_drift BTC: engine 1, exchange 2; unresolved: why",
        "2026-11-22 12:00:00  r-2 (timer): failed: HTTP 500",
    ]
    assert rounds_lines({"rounds": [], "others": []}) == ["no round is recorded"]
