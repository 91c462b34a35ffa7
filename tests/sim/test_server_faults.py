"""Fault scripts: what is refused, which subjects a fault touches, how often, and what it remembers."""

from __future__ import annotations

import pytest

from realtrading.sim.faults import ACTIONS, Fault, FaultBook, FaultError, Stage, Subject

PLACE = Subject(
    kind="place", transport="rest", method="POST", path="/api/v3/order", symbol="BTCUSDT", client_order_id="x-1"
)


@pytest.mark.parametrize(("script", "named"), [
    ([], "object"),
    ({"action": "explode"}, "explode"),
    ({"action": "drop_after", "when": 1}, "when"),
    ({"action": "drop_after", "count": 0}, "count"),
    ({"action": "drop_after", "match": {"colour": "red"}}, "colour"),
    ({"action": "drop_after", "match": {"nth": "2"}}, "nth"),
    ({"action": "drop_after", "match": {"kind": 5}}, "kind"),
    ({"action": "delay_after"}, "ms"),
    ({"action": "delay_after", "params": {"ms": -1}}, "ms"),
    ({"action": "status_before", "params": {"status": 200}}, "status"),
    ({"action": "status_before", "params": {"status": 503, "body": "xml"}}, "body"),
    ({"action": "drop_after", "params": {"ms": 1}}, "ms"),
    ({"action": "drop_after", "name": 7}, "name"),
    ({"action": "corrupt_event", "params": {"set": ["x"]}}, "set"),
    ({"action": "corrupt_event", "params": {"drop": "x"}}, "drop"),
    ({"action": "corrupt_event", "params": {"raw": {"x": 1}}}, "raw"),
])  # fmt: skip
def test_bad_scripts_are_refused_by_name(script: object, named: str) -> None:
    """A script that cannot be used is refused with a sentence that names what is wrong."""
    with pytest.raises(FaultError, match=named):
        Fault.of(script, 0)


def test_nth_count_and_prefix() -> None:
    """A fault leaves the first nth − 1 alone, fires `count` times on ids with its prefix, and records each firing."""
    book = FaultBook()
    match = {"kind": "place", "client_order_id": "x-", "nth": 2}
    book.add(Fault.of({"name": "lost", "action": "drop_after", "match": match, "count": 2}, 5))
    other = Subject(kind="place", client_order_id="y-1")
    fired = [bool(book.take(Stage.AFTER, subject, seq, 10 + seq))
             for seq, subject in enumerate([PLACE, other, PLACE, PLACE, PLACE])]  # fmt: skip
    assert fired == [False, False, True, True, False]
    told = book.describe()[0]
    assert (told["fired"], told["added_at"]) == (2, 5)
    assert told["firings"] == [
        {"seq": 2, "at_ms": 12, "client_order_id": "x-1"},
        {"seq": 3, "at_ms": 13, "client_order_id": "x-1"},
    ]


def test_stage_and_clear() -> None:
    """A fault fires only at its own stage, for ever when count is null, and not after it was cleared."""
    book = FaultBook()
    book.add(Fault.of({"action": "drop_before", "count": None}, 0))
    book.add(Fault.of({"name": "late", "action": "delay_before", "params": {"ms": 3}, "count": None}, 0))
    assert book.take(Stage.AFTER, PLACE, 1, 0) == []
    for _ in range(3):
        assert [each.action for each in book.take(Stage.BEFORE, PLACE, 1, 0)] == ["drop_before", "delay_before"]
    assert book.clear("late") == 1
    assert [each.action for each in book.take(Stage.BEFORE, PLACE, 1, 0)] == ["drop_before"]
    assert book.clear() == 1
    assert book.take(Stage.BEFORE, PLACE, 1, 0) == []


def test_every_action_has_a_stage() -> None:
    """The table knows each stage; events have their five kinds of trouble."""
    by_stage = {stage: [name for name, action in ACTIONS.items() if action.stage is stage] for stage in Stage}
    assert sorted(by_stage[Stage.EVENT]) == ["corrupt_event", "delay_event", "drop_event", "duplicate_event", "reorder_events"]
    assert {"drop_before", "status_before"} < set(by_stage[Stage.BEFORE])
