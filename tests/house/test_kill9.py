"""kill -9 at thirty points: nothing is sent twice, nothing is lost, and the money is right to the last digit."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from house.kill9 import BETWEEN, WHERE, campaign, points, recomputed
from processes import Processes

KILLS = 30


def test_points_are_the_same_for_the_same_seed_and_cover_every_kind() -> None:
    """Thirty points, five of each kind, at least five of them between commit and answer."""
    chosen = points(KILLS, 1)
    assert chosen == points(KILLS, 1) != points(KILLS, 2)
    assert {kind: sum(point.where == kind for point in chosen) for kind in WHERE} == dict.fromkeys(WHERE, 5)
    assert sum(point.where in BETWEEN for point in chosen) >= 5


def trade(number: int, side: str, quantity: str, cash: str, fee: str, asset: str) -> dict[str, Any]:
    return {
        "time": number, "id": number, "isBuyer": side == "buy", "qty": quantity, "quoteQty": cash, "commission": fee,
        "commissionAsset": asset,
    }  # fmt: skip


def test_the_judge_can_do_the_sum() -> None:
    """1 for 100 with 0.1 of it as fee, 1 for 110; half of 1.9 sold for 120 with 2 as fee: 120 - 105 - 2 = 13 earned."""
    trades = [
        trade(3, "sell", "0.95", "120", "2", "USDT"),
        trade(1, "buy", "1", "100", "0.1", "BTC"),
        trade(2, "buy", "1", "110", "0.3", "BNB"),
    ]
    assert recomputed(trades, "BTC", "USDT") == (Fraction("0.95"), Fraction(13))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_daemon_killed_thirty_times_owes_the_exchange_no_explanation(
    processes: Processes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Per id one request and one order at most, fills, positions, results and balances equal, no old intent ever sent."""
    wrong: list[str] = []
    result = campaign(processes, tmp_path, KILLS, 1, wrong.append)
    with capsys.disabled():
        print(f"\n{json.dumps(result)}")
    assert wrong == []
    assert (result["kills"], len(result["points"]), result["violations"]) == (KILLS, KILLS, 0)
    assert result["between_commit_and_answer"] >= 5
    assert result["never_sent"] >= 3
