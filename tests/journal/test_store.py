"""Appending, recovering, beginning runs: what the house may rely on while the disk is well."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from journal.samples import START, client_id, intent, opened, order, placed, record
from realtrading.domain.breaker import BreakerCause, CauseKind, CircuitBreakerState
from realtrading.domain.events import (
    BreakerChanged,
    EngineStarted,
    Event,
    OrderAdmitted,
    OrderAdopted,
    OrderArchived,
    TradesCursorMoved,
)
from realtrading.errors import BadInput, HouseError
from realtrading.journal.fold import fold_rows
from realtrading.journal.store import CHECKPOINT_DUE, CHECKPOINT_FORCED, Binding, JournalFailed, Unwritable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal of the test lives."""
    return tmp_path / "journal.db"


def test_rows_come_back_after_reopening(path: Path) -> None:
    """Recovery gets, for each table, the last value of each key, exactly; a deleted key is gone."""
    cause = BreakerCause(kind=CauseKind.MANUAL, scope="account", token="t", detail="by hand", opened_at=START)
    state = CircuitBreakerState(is_open=True, opened_at=START)
    with opened(path) as journal:
        journal.begin_run()
        journal.append([intent(1), intent(2), placed(1)])
        journal.append([record(OrderArchived(id=client_id(2), strategy="demo", symbol="BTCUSDT"))])
        journal.append([record(TradesCursorMoved(symbol="BTCUSDT", trade_id=10))])
        journal.append([record(TradesCursorMoved(symbol="BTCUSDT", trade_id=12))])
        journal.append([record(BreakerChanged(state=state, causes=(cause,), gate=3, changed="opened"))])
        digest = journal.last_state_digest()
    with opened(path) as journal:
        assert journal.rows("orders") == {client_id(1): placed(1).event.order}  # type: ignore[attr-defined]
        assert journal.rows("cursors") == {"BTCUSDT": 12}
        assert journal.rows("breaker") == {"state": (state, (cause,))}
        assert journal.rows("gate") == {"gate": 3}
        assert journal.rows("positions") == {}
        assert journal.last_state_digest() == digest


def test_events_come_back_in_order_with_their_letters(path: Path) -> None:
    """Every record keeps its number, its letter, its sender and its moment; filters take out exactly the rest."""
    with opened(path) as journal:
        run = journal.begin_run()
        journal.append([intent(1), placed(1), intent(2)])
        found = list(journal.events(after=1))
        assert [(one.seq, one.type, one.order_id) for one in found] == [
            (2, "IntentRecorded", client_id(1)),
            (3, "OrderPlaced", client_id(1)),
            (4, "IntentRecorded", client_id(2)),
        ]
        assert (found[2].run, found[2].letter_seq, found[2].cause, found[2].sender) == (run, 2, 1, "orders")
        assert found[1].event == placed(1).event
        assert found[1].at == START
        assert [one.seq for one in journal.events(types=["OrderPlaced"])] == [3]
        assert [one.seq for one in journal.events(order_id=client_id(1))] == [2, 3]
        assert list(journal.events(types=[])) == []


def test_current_is_the_fold_of_the_events(path: Path) -> None:
    """What recovery reads is what the events leave behind when put one after another."""
    with opened(path) as journal:
        journal.begin_run()
        for counter in range(1, 30):
            journal.append([intent(counter), placed(counter)])
            if counter % 3 == 0:
                journal.append([record(OrderArchived(id=client_id(counter), strategy="demo", symbol="BTCUSDT"))])
        folded = fold_rows(one.event for one in journal.events())
        assert {table: journal.rows(table) for table in folded} == folded
        assert len(folded["orders"]) == 20


def test_an_intent_is_recorded_once_ever(path: Path) -> None:
    """A second record of the same id is left out and named, in the same batch, later, and in a later run; the rest is
    written.
    """
    with opened(path) as journal:
        journal.begin_run()
        first = journal.append([intent(1), intent(1), intent(2)])
        assert (first.last_seq, first.duplicates) == (3, {client_id(1)})
        assert first.recorded == {client_id(1), client_id(2)}
        again = journal.append([intent(2), intent(3)])
        assert (again.last_seq, again.duplicates, again.recorded) == (4, {client_id(2)}, {client_id(3)})
        assert [one.order_id for one in journal.events(types=["IntentRecorded"])] == [client_id(n) for n in (1, 2, 3)]
    with opened(path) as journal:
        journal.begin_run()
        assert journal.append([intent(3)]).duplicates == {client_id(3)}


def test_a_repeated_intent_does_not_turn_the_order_back(path: Path) -> None:
    """The order's row keeps what became of it when its intent is told again."""
    with opened(path) as journal:
        journal.begin_run()
        journal.append([intent(1), placed(1)])
        journal.append([intent(1)])
        assert journal.rows("orders")[client_id(1)] == placed(1).event.order  # type: ignore[attr-defined]


def test_a_run_number_is_never_used_twice(path: Path) -> None:
    """A run's number is above every run begun, every run in a client id, and every run seen at the exchange."""
    with opened(path) as journal:
        assert journal.client_runs_seen() == 0
        assert journal.begin_run() == 1
    with opened(path) as journal:
        assert journal.begin_run(seen_run=6) == 7
        journal.append([record(OrderAdopted(order=order(1, run=40))), record(OrderAdopted(order=order(1, run=12)))])
        assert journal.client_runs_seen() == 40
    with opened(path) as journal:
        assert journal.client_runs_seen() == 40
        assert journal.begin_run() == 41
        assert journal.begin_run() == 42


def test_the_book_of_runs_tells_who_died(path: Path) -> None:
    """A run that was closed has its end in the book, one that died has none."""
    end = iter(START + timedelta(seconds=second) for second in range(10))
    with opened(path, utc=lambda: next(end), code_version="1.2", config_digest="abc") as journal:
        journal.begin_run()
    with opened(path) as journal:
        journal.begin_run()
        closed, running = journal.runs()
    assert (closed.run, closed.started, closed.stopped) == (
        1,
        START + timedelta(seconds=1),
        START + timedelta(seconds=2),
    )
    assert (closed.code_version, closed.config_digest) == ("1.2", "abc")
    assert (running.run, running.stopped) == (2, None)


def test_records_need_a_run(path: Path) -> None:
    """Appending before begin_run is our bug; reading an unknown table too."""
    with opened(path) as journal:
        with pytest.raises(HouseError, match="only after begin_run"):
            journal.append([intent(1)])
        with pytest.raises(HouseError, match="no table 'moods'"):
            journal.rows("moods")


def test_an_unwritable_record_takes_its_batch_with_it_and_nothing_else(path: Path) -> None:
    """Nothing of a batch with an impossible value is written, and the journal goes on."""
    with opened(path) as journal:
        journal.begin_run()
        wrong = attrs.evolve(order(2), original_quantity=0.1)
        with pytest.raises(Unwritable):
            journal.append([intent(1), record(OrderAdopted(order=wrong))])
        with pytest.raises(Unwritable):
            journal.append([intent(1), record(OrderAdmitted(order=order(2)))])
        with pytest.raises(Unwritable, match="has no time zone"):
            journal.append([attrs.evolve(intent(1), at=START.replace(tzinfo=None))])
        assert journal.last_seq == 1
        assert journal.append([intent(1)]).duplicates == frozenset()
        assert journal.verify().ok


def test_after_a_failure_nothing_is_taken_any_more(path: Path) -> None:
    """One refusal by SQLite and the journal is done: every later call raises, what was acknowledged stays."""
    journal = opened(path)
    journal.begin_run()
    journal.append([intent(1)])
    with closing(sqlite3.connect(path)) as saboteur, saboteur:
        saboteur.execute("CREATE TRIGGER refuse BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END")
    saboteur.close()
    with pytest.raises(JournalFailed, match="disk I/O error"):
        journal.append([intent(2)])
    assert journal.failed
    for attempt in (
        lambda: journal.append([intent(3)]),
        lambda: journal.rows("orders"),
        journal.checkpoint,
        journal.begin_run,
    ):
        with pytest.raises(JournalFailed, match="takes nothing more"):
            attempt()
    journal.close()
    with opened(path) as again:
        assert list(again.rows("orders")) == [client_id(1)]
        assert again.runs()[0].stopped is None


def test_a_thread_killed_inside_the_transaction_ends_the_journal(path: Path) -> None:
    """Whatever breaks into a commit leaves nobody knowing what is on disk, so nothing more is taken."""

    @attrs.frozen(kw_only=True)
    class _Bomb(Exception):
        pass

    with opened(path) as journal:
        journal.begin_run()
        journal._writer.seen_runs = _Explosive(_Bomb())  # type: ignore[assignment]
        with pytest.raises(_Bomb):
            journal.append([intent(1)])
        with pytest.raises(JournalFailed):
            journal.append([intent(1)])
    with opened(path) as journal:
        assert journal.rows("orders") == {}
        assert journal.verify().ok


class _Explosive(dict[str, int]):
    """Raises when the transaction writes into it; reading beforehand is harmless."""

    def __init__(self, bomb: Exception) -> None:
        super().__init__()
        self.bomb = bomb

    def __setitem__(self, key: str, value: int) -> None:
        raise self.bomb


def test_a_closed_journal_takes_nothing(path: Path) -> None:
    """Closing twice is harmless, appending afterwards is refused, and no log or lock is left held."""
    journal = opened(path)
    journal.begin_run()
    journal.close()
    journal.close()
    assert not journal.failed
    with pytest.raises(JournalFailed, match="it is closed"):
        journal.append([intent(1)])
    assert sorted(os.listdir(path.parent)) == ["journal.db", "journal.db.lock"]


@pytest.mark.parametrize(("durability", "level"), [("power", 2), ("process", 1)])
def test_durability_is_what_sqlite_was_told(path: Path, durability: str, level: int) -> None:
    """`power` syncs before a commit returns, `process` leaves that to checkpoints; both use a write-ahead log."""
    with opened(path, durability=durability) as journal:
        connection = journal._writer.connection
        assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        journal.begin_run()
        journal.append([intent(1)])
        assert list(journal.rows("orders")) == [client_id(1)]


def test_checkpoints_keep_the_log_short(path: Path) -> None:
    """A checkpoint becomes due with the records, is made by force when nobody found time, and changes no row."""
    with opened(path) as journal:
        journal.begin_run()
        cursors = [record(TradesCursorMoved(symbol="BTCUSDT", trade_id=n)) for n in range(CHECKPOINT_DUE)]
        journal.append(cursors[:-2])
        assert not journal.checkpoint_due
        journal.append(cursors[-2:])
        assert journal.checkpoint_due
        journal.checkpoint()
        assert not journal.checkpoint_due
        for _ in range(CHECKPOINT_FORCED // CHECKPOINT_DUE):
            journal.append(cursors)
        assert not journal.checkpoint_due
        assert journal.rows("cursors") == {"BTCUSDT": CHECKPOINT_DUE - 1}
        assert journal.verify().ok


def test_the_past_cannot_be_rewritten(path: Path) -> None:
    """The file itself refuses to change or delete a record, whoever asks."""
    with opened(path) as journal:
        journal.begin_run()
    connection = sqlite3.connect(path)
    for statement in ("UPDATE events SET sender = 'me'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


def test_what_the_metrics_show(path: Path) -> None:
    """Records by type, the size on disk, the last commit's length and the free space are there for any thread."""
    with opened(path) as journal:
        journal.begin_run()
        before = journal.size_bytes
        journal.append([intent(n) for n in range(100)])
        seen: list[object] = []
        scrape = threading.Thread(
            target=lambda: seen.extend(
                [dict(journal.records_total), journal.size_bytes, journal.last_commit_s, journal.free_bytes]
            )
        )
        scrape.start()
        scrape.join(10)
        assert seen[0] == {"RunBegan": 1, "IntentRecorded": 100}
        assert seen[1] == journal.size_bytes > before > 0
        assert 0 < journal.last_commit_s < 10
        assert isinstance(seen[3], int)


# -- whose journal it is ----------------------------------------------------------------------------------------------


def test_a_journal_belongs_to_one_mode(path: Path) -> None:
    """Opening it for another mode is refused with exit code 5, in one sentence naming both."""
    opened(path).close()
    with pytest.raises(BadInput, match="belongs to mode simulated, not to mode live") as refusal:
        opened(path, binding=Binding(mode="live"))
    assert refusal.value.exit_code == 5
    opened(path).close()


def test_a_journal_belongs_to_one_account(path: Path) -> None:
    """The uid is written when first known; another one is refused at opening and at binding, the same one is
    welcome.
    """
    with opened(path) as journal:
        assert journal.binding.account_uid is None
        journal.bind(354937868)
        journal.bind(354937868)
        with pytest.raises(BadInput, match="belongs to account 354937868, but these credentials are of account 7") as refusal:
            journal.bind(7)
        assert refusal.value.exit_code == 5
    with pytest.raises(BadInput, match="belongs to account 354937868"):
        opened(path, binding=Binding(mode="simulated", account_uid=7))
    with opened(path) as journal:
        assert journal.binding == Binding(mode="simulated", account_uid=354937868)


@pytest.mark.parametrize("when", ["birth", "later opening"])
def test_a_uid_known_at_opening_binds(path: Path, when: str) -> None:
    """A uid that is known before the journal is opened binds it as well."""
    if when == "later opening":
        opened(path).close()
    opened(path, binding=Binding(mode="simulated", account_uid=1)).close()
    with pytest.raises(BadInput, match="belongs to account 1"):
        opened(path, binding=Binding(mode="simulated", account_uid=2))


def test_the_store_knows_no_config(path: Path) -> None:
    """A journal written under one config and version opens under another: same rows, same digest."""
    with opened(path, config_digest="A", code_version="1") as journal:
        journal.begin_run()
        journal.append([intent(1), record(EngineStarted(run=1, mode="simulated"))])
        rows, digest = journal.rows("orders"), journal.last_state_digest()
    with opened(path, config_digest="B", code_version="2", durability="power") as journal:
        assert journal.rows("orders") == rows
        assert journal.last_state_digest() == digest
        assert rows[client_id(1)].original_quantity == Decimal("0.5")


def test_the_digest_is_of_the_rows_alone(path: Path, tmp_path: Path) -> None:
    """An announcement leaves the state's digest as it was, a row moves it, and taking the row away moves it back."""
    with opened(path) as journal:
        journal.begin_run()
        journal.append([intent(1)])
        before = journal.last_state_digest()
        announcement: Event = EngineStarted(run=1, mode="simulated")
        journal.append([record(announcement)])
        assert journal.last_state_digest() == before
        journal.append([intent(2)])
        assert journal.last_state_digest() != before
        journal.append([record(OrderArchived(id=client_id(2), strategy="demo", symbol="BTCUSDT"))])
        assert journal.last_state_digest() == before
