"""Run numbers only ever rise, whatever clocks, kills, copies and the exchange do, so no client id is ever minted twice."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtrading.domain.identity import RUN_MAX, OwnRuns
from realtrading.domain.values import ClientId, Role
from realtrading.errors import BadInput
from realtrading.journal.backup import backup, restore
from realtrading.journal.store import Binding, Journal
from realtrading.opening import begin_run

NOW = datetime(2026, 11, 22, tzinfo=UTC)
YEAR = timedelta(days=365)
STEPS = st.lists(
    st.tuples(st.sampled_from(["start", "start", "trade", "back up", "restore"]), st.integers(-2, 2)), min_size=1, max_size=25
)


def opened(path: Path) -> Journal:
    """The journal, as an engine opens it."""
    return Journal.open(
        path, binding=Binding(mode="simulated"), durability="process", code_version="1", config_digest="-", utc=lambda: NOW
    )


def minted(run: int) -> str:
    """An order's id of this run."""
    return str(ClientId(prefix="rt", run=run, strategy="user", role=Role.ENTRY, counter=1))


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_no_run_that_traded_is_ever_begun_again(steps: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """The clock jumps by years, the journal is an old backup: each run that shows at the exchange was begun once."""
    folder = tmp_path_factory.mktemp("runs")
    path, copy = folder / "journal.db", folder / "copy.db"
    clock, run, at_exchange = NOW, 0, set[str]()
    for step, years in steps:
        if step == "start":
            clock = NOW + years * YEAR
            with opened(path) as journal:
                run = begin_run(journal, at_exchange, "rt", clock)
            assert minted(run) not in at_exchange
            assert all(run > ClientId.parse(each).run for each in at_exchange)  # type: ignore[union-attr]
        elif step == "trade" and run:
            at_exchange.add(minted(run))
        elif step == "back up" and path.exists():
            copy.unlink(missing_ok=True)
            backup(path, copy)
        elif step == "restore" and copy.exists():
            for each in folder.glob("journal.db*"):
                each.unlink()
            restore(copy, path)
            run = 0


def test_a_run_the_journal_never_had_is_refused_until_it_is_restored(tmp_path: Path) -> None:
    """Refused with 7, nothing is begun; the restored copy adopts it, and its next start is an ordinary one."""
    path = tmp_path / "journal.db"
    with opened(path) as journal:
        first = begin_run(journal, (), "rt", NOW)
        assert first not in OwnRuns(begun=frozenset(), adopted=0)
    newer = {minted(first), minted(first + 5), "web_123", "other_zzz_x_n1"}
    with opened(path) as journal, pytest.raises(BadInput, match=f"of run {first + 5}, which this journal never had") as refused:
        begin_run(journal, newer, "rt", NOW)
    assert refused.value.exit_code == 7
    backup(path, tmp_path / "copy.db")
    for each in tmp_path.glob("journal.db*"):
        each.unlink()
    restore(tmp_path / "copy.db", path)
    with opened(path) as journal:
        second = begin_run(journal, newer, "rt", NOW)
        own = journal.own_runs()
    assert second > first + 5
    assert own.adopted_by(second)
    assert first + 5 in own
    with opened(path) as journal:
        third = begin_run(journal, {*newer, minted(second)}, "rt", NOW - YEAR)
        own = journal.own_runs()
    assert third == second + 1
    assert not own.adopted_by(third)
    assert own.strange(minted(third + 1), "rt") == third + 1
    assert own.strange(minted(third + 1), "xx") is None


def test_a_run_number_that_fits_into_no_id_stops_the_start(tmp_path: Path) -> None:
    """The exchange shows the highest number there is: there is none above it."""
    with opened(tmp_path / "journal.db") as journal, pytest.raises(BadInput, match="does not fit into a client id") as refused:
        begin_run(journal, {minted(RUN_MAX)}, "rt", NOW)
    assert refused.value.exit_code == 4
