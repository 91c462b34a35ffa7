"""What one append costs: little, and no more in a long journal than in a short one."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from journal.samples import client_id, intent, opened, placed, record
from realtrading.domain.events import OrderArchived
from realtrading.journal.store import Journal


def _steps(journal: Journal, counter: int) -> int:
    """Instructions of SQLite's machine that recording one intent and its placement takes: the same on every
    computer.
    """
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    connection = journal._writer.connection
    connection.set_progress_handler(tick, 1)
    journal.append([intent(counter)])
    journal.append([placed(counter)])
    connection.set_progress_handler(None, 0)
    return count


def test_an_append_costs_the_same_in_a_long_journal(tmp_path: Path) -> None:
    """SQLite's work for one order does not grow with the number of records or of current rows."""
    with opened(tmp_path / "journal.db") as journal:
        journal.begin_run()
        journal.append([intent(0)])
        short = _steps(journal, 1)
        journal.append([intent(counter) for counter in range(2, 4000)])
        long = _steps(journal, 4000)
    assert 20 < short < 500
    assert long <= short * 1.2


def test_an_append_takes_microseconds(tmp_path: Path) -> None:
    """Under `process` durability the median append is far below the time of one call to the exchange."""
    with opened(tmp_path / "journal.db") as journal:
        journal.begin_run()
        taken = []
        for counter in range(300):
            began = time.perf_counter()
            journal.append([intent(counter)])
            taken.append(time.perf_counter() - began)
            journal.append([record(OrderArchived(id=client_id(counter), strategy="demo", symbol="BTCUSDT"))])
    assert statistics.median(taken) < 0.002
