"""History stands still: a journal of every schema that ever landed says today what it said then."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from journal.record_history import as_told, digest
from journal.samples import client_id, opened
from matrix.evidence import judged
from realtrading.journal import readers
from realtrading.journal.codec import EVENTS
from realtrading.journal.files import SCHEMA_VERSION
from realtrading.journal.store import Binding
from realtrading.journal.verify import verify

RECORDINGS = Path(__file__).resolve().parent.parent / "recordings" / "journals"
JOURNALS = sorted(RECORDINGS.glob("schema-*.db"))
UID = 354937868


def _cut_to(then: Any, now: Any) -> Any:
    """`now` without the fields that did not exist `then`: a later version may add fields with defaults, nothing
    else.
    """
    if isinstance(then, dict) and isinstance(now, dict) and set(then) <= set(now):
        return {key: _cut_to(value, now[key]) for key, value in then.items()}
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [_cut_to(one, other) for one, other in zip(then, now, strict=True)]
    return now


@pytest.mark.parametrize("recorded", JOURNALS, ids=lambda path: path.stem)
def test_a_journal_of_old_says_what_it_said(recorded: Path, tmp_path: Path) -> None:
    """Every row and every event of a recorded journal is read as the very values that were written, to the digest."""
    path = Path(shutil.copy(recorded, tmp_path))
    then = json.loads(recorded.with_suffix(".json").read_text("utf-8"))
    assert digest(then["told"]) == then["digest"]
    told = _cut_to(then["told"], as_told(path))
    assert told["rows"] == then["told"]["rows"]
    assert digest(told) == then["digest"]
    assert verify(path).ok


@pytest.mark.parametrize("recorded", JOURNALS, ids=lambda path: path.stem)
@pytest.mark.matrix("B19", invariants="G7")
def test_a_house_of_today_goes_on_with_a_journal_of_old(recorded: Path, tmp_path: Path) -> None:
    """It opens, whatever config it was written under, has the rows it had, and takes the next run."""
    path = Path(shutil.copy(recorded, tmp_path))
    then = json.loads(recorded.with_suffix(".json").read_text("utf-8"))
    with opened(path, binding=Binding(mode="simulated", account_uid=UID), config_digest="another") as journal:
        with judged("G7"):
            assert journal.last_state_digest() == then["state"]
        assert journal.last_seq == len(then["told"]["events"])
        assert set(journal.rows("orders")) == set(then["told"]["rows"]["orders"])
        assert journal.begin_run() > max(then["told"]["runs"])
        assert journal.verify().ok


def test_the_present_schema_is_recorded() -> None:
    """The schema this version writes has its recording, and every kind of record that existed then can still be
    read.
    """
    assert RECORDINGS / f"schema-{SCHEMA_VERSION:04}.db" in JOURNALS
    told = json.loads((RECORDINGS / f"schema-{SCHEMA_VERSION:04}.json").read_text("utf-8"))["told"]
    kinds = {event[1] for event in told["events"]}
    assert kinds <= set(EVENTS)
    assert len(kinds) >= 37


def test_an_order_of_old_has_its_life(tmp_path: Path) -> None:
    """Readers tell the recorded trade: intent, placed, filled."""
    path = Path(shutil.copy(RECORDINGS / "schema-0001.db", tmp_path))
    assert [step.type for step in readers.order_life(path, client_id(1))] == [
        "IntentRecorded",
        "OrderPlaced",
        "OrderFilled",
    ]
