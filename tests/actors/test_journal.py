"""The journal hand: nothing goes to the wire that the disk did not take, and nothing twice."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from order_factories import T0, an_order
from realtrading.actors.journal import JournalActor
from realtrading.actors.tally import Tally
from realtrading.domain.commands import PlaceOrder, RecordOrder
from realtrading.domain.events import OrderBlocked, OrderRecorded
from realtrading.domain.reasons import Reason
from realtrading.domain.values import Now
from realtrading.journal.records import Appended
from realtrading.journal.store import IntentRecorded, JournalFailed, Record
from realtrading.runtime.actor import staffing
from realtrading.runtime.mailbox import Incarnation, Letter, Mailbox
from realtrading.runtime.spec import ActorSpec


@attrs.define
class Disk:
    """A journal that remembers what it was given; it knows ids from earlier lives, and may refuse."""

    known: set[str] = attrs.field(factory=set)
    taken: list[Record] = attrs.field(factory=list)
    refuses: bool = False
    last_commit_s: float = 0.0
    checkpoint_due: bool = False

    def append(self, records: Sequence[Record]) -> Appended:
        if self.refuses:
            raise JournalFailed("the disk is full")
        intents = [record.event.order.id for record in records if isinstance(record.event, IntentRecorded)]
        new = [name for name in dict.fromkeys(intents) if name not in self.known]
        self.taken += records
        self.known.update(new)
        return Appended(last_seq=len(self.taken), recorded=frozenset(new), duplicates=frozenset(intents) - frozenset(new))


def decided(disk: Disk, *messages: object) -> list[Any]:
    """What the hand answers to these letters, handled as one batch."""
    with staffing(Incarnation(Mailbox(ActorSpec("journal", JournalActor, "journal", batch_max=256)), 1)):
        hand = JournalActor(store=disk, tally=Tally())  # type: ignore[arg-type]  # as much of a journal as the hand uses
    letters = tuple(Letter(number, None, "breaker", message, 0.0) for number, message in enumerate(messages, 1))
    return list(hand.decide(letters, Now(mono=1.0, utc=T0)))


def an_intent(order_id: str, gate: int | None = 3) -> RecordOrder:
    return RecordOrder(order=an_order(id=order_id), gate=gate, valid_until_mono=6.0)


def test_an_order_is_placed_when_it_is_recorded_exactly_as_it_was_recorded() -> None:
    """What the disk took and what goes to the wire are one and the same, gate and term included."""
    disk = Disk()
    placed, told = decided(disk, an_intent("rt_1_grid_n1"))

    (record,) = disk.taken
    assert isinstance(record.event, IntentRecorded)
    assert placed == PlaceOrder(order=record.event.order, gate=record.event.gate, valid_until_mono=6.0)
    assert told == OrderRecorded(id="rt_1_grid_n1")


def test_an_id_that_was_recorded_before_goes_nowhere() -> None:
    """Neither one from an earlier life nor one that comes twice in a batch is sent again."""
    disk = Disk(known={"rt_1_grid_n1"})
    said = decided(disk, an_intent("rt_1_grid_n1"), an_intent("rt_1_grid_n2"), an_intent("rt_1_grid_n2"))

    assert [word.order.id for word in said if isinstance(word, PlaceOrder)] == ["rt_1_grid_n2"]
    blocked = [(word.order.id, word.reason) for word in said if isinstance(word, OrderBlocked)]
    assert blocked == [("rt_1_grid_n1", Reason.HOUSE_DUPLICATE), ("rt_1_grid_n2", Reason.HOUSE_DUPLICATE)]


def test_what_the_disk_refuses_is_not_placed() -> None:
    """The failure ends the hand, and with it the house; no order of that batch goes on."""
    with pytest.raises(JournalFailed):
        decided(Disk(refuses=True), an_intent("rt_1_grid_n1"))
