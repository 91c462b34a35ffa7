"""What the journal keeps is somebody's memory again after a restart."""

from realtrading.journal.codec import ROWS
from realtrading.topology import ACTORS

JOURNALS_OWN = {"journal", "seen_runs"}


def test_every_table_of_the_journal_is_recovered_by_one_keeper_at_least() -> None:
    """A table that nobody takes up is a memory lost at each restart: a cursor, a day's loss, a halt."""
    assert {kept for row in ACTORS for kept, _ in row.recovers} == set(ROWS) - JOURNALS_OWN
