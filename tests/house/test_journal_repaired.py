"""A house whose journal was damaged where it can be made whole goes on, and says so."""

import sqlite3
from contextlib import closing
from pathlib import Path

from house.conftest import Engines
from house.kit import Judge, dripper, quiet, violations
from realtrading.journal.readers import opened
from realtrading.journal.verify import verify
from waiting import wait_until


def test_a_start_over_damaged_rows_trades_on_and_tells(engines: Engines, judge: Judge) -> None:
    """Positions and ledger rows are altered on disk while the house is down: the next run has what the records say, an
    error in the journal names the row, and its books are those of the exchange.
    """
    first = engines(strategies=(dripper(),), prefix="jr").start()
    wait_until(lambda: any(order.is_terminal() for order in first.orders.values()), 15, "an order is over")
    quiet(first)
    first.stop()
    path = Path(first.settings.journal_path)
    with opened(path) as reader:
        ledger, positions = reader.rows("ledger"), reader.rows("positions")
    with closing(sqlite3.connect(path)) as connection:
        altered = "UPDATE current SET value = replace(value, '\"opening\":\"', '\"opening\":\"9') WHERE tbl = 'ledger'"
        assert connection.execute(altered).rowcount > 1
        assert connection.execute("DELETE FROM current WHERE tbl = 'positions'").rowcount == 1
        connection.commit()
    assert not verify(path).ok
    second = engines(prefix="jr").start()
    assert dict(second.house.tables("balances")["ledger"].snapshot()).keys() == ledger.keys()
    assert dict(second.house.tables("positions")["positions"].snapshot()).keys() == positions.keys()
    quiet(second)
    assert violations(judge, second) == []
    second.stop()
    with opened(path) as reader:
        (error,) = [stored.event for stored in reader.events(types=["Error"])]
    assert "was altered; all" in error.message  # type: ignore[attr-defined]
    assert "rows were made again from all records" in error.message  # type: ignore[attr-defined]
    assert verify(path).ok
