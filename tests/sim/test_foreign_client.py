"""python-binance, unpatched but for its URLs, trades on the simulator; garbage in between changes nothing."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from processes import Processes
from sim.garbage import throw

ROOT = Path(__file__).resolve().parents[2]
TRADER = Path(__file__).with_name("foreign_trader.py")
GARBAGE = 200
DEADLINE_S = 60


@pytest.fixture
def ready_line(processes: Processes) -> str:
    """The ready line of a simulator in a process of its own, with a market that moves."""
    running = processes.python(
        "-m", "realtrading.sim", "serve", "--listen", "127.0.0.1:0", "--symbol", "BTCUSDT", "--symbol", "ETHUSDT",
        "--key", "foreign-key-0123456789", "--secret", "foreign-secret-9876543210",
        "--balance", "USDT=10000", "--balance", "BTC=1", "--speed", "20", cwd=ROOT,
    )  # fmt: skip
    return running.wait_for_line(r"^\{.*\}$", DEADLINE_S).group()


def trade(processes: Processes, ready_line: str) -> None:
    """Let the foreign client do everything it can."""
    trader = processes.python("-W", "ignore", str(TRADER), ready_line, cwd=ROOT)
    assert trader.wait(DEADLINE_S) == 0, trader
    assert trader.out[-1] == "traded"


def control(ready: dict[str, Any], path: str) -> Any:
    """A read of the judge's door."""
    with urllib.request.urlopen(ready["control_url"] + path, timeout=DEADLINE_S) as answer:
        return json.load(answer)


def test_python_binance_trades_before_and_after_garbage(processes: Processes, ready_line: str) -> None:
    """Client and AsyncClient do everything; then 200 garbage requests; then they do all of it again."""
    ready: dict[str, Any] = json.loads(ready_line)
    host, _, port = ready["listen"].rpartition(":")
    trade(processes, ready_line)
    before = control(ready, "/requests")["seq"]
    assert throw(host, int(port), GARBAGE, seed=20261122) == GARBAGE
    assert control(ready, "/requests")["seq"] > before + 30, "much of the garbage got as far as the exchange"
    trade(processes, ready_line)
    state = control(ready, "/state")
    assert state["internal_errors"] == []
    assert state["user_subscriptions"] == 0
