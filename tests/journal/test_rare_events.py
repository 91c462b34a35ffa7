"""What is rare is found in a long journal without reading everything."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from journal.samples import intent, opened, record
from realtrading.domain.events import Error, LimitBreached, ReconciliationFailed
from realtrading.journal import reading
from realtrading.journal.readers import opened as opened_for_reading


def test_rare_records_are_found_by_index(tmp_path: Path) -> None:
    """Those of the kinds asked for, in order, all of them or from the so-manyth newest of another kind on; SQLite answers
    both questions from the index.
    """
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        journal.begin_run()
        for number in range(1, 301):
            journal.append([intent(number)])
            if number % 100 == 0:
                failed = ReconciliationFailed(token=f"round-{number}", trigger="timer", generation=1, detail="no answer")
                journal.append([record(Error(message=f"error {number}")), record(failed)])
    assert LimitBreached.__name__ not in reading._RARE
    with opened_for_reading(path) as reader:
        assert [one.event.message for one in reader.rare_events(["Error"])] == ["error 100", "error 200", "error 300"]  # type: ignore[attr-defined]
        since = (2, ["ReconciliationFailed"])
        kinds = ["Error", "ReconciliationFailed"]
        told = [(one.seq, one.type) for one in reader.rare_events(kinds, since_last=since)]
        assert told == [(205, "ReconciliationFailed"), (306, "Error"), (307, "ReconciliationFailed")]
        assert len(list(reader.rare_events(["Error"], since_last=(9, ["ReconciliationFailed"])))) == 3
    with closing(sqlite3.connect(path)) as connection:
        asked: list[str] = []
        connection.set_trace_callback(asked.append)
        assert reading.newest_of(connection, ["ReconciliationFailed"], 1) == 307
        assert [one.seq for one in reading.rare_records(connection, path, ["Error"], after=0)] == [102, 204, 306]
        connection.set_trace_callback(None)
        plans = [str(connection.execute(f"EXPLAIN QUERY PLAN {each}").fetchall()) for each in asked]
    assert len(plans) == 3
    assert all("INDEX rare_events" in plan for plan in plans)
