"""The journal hand: puts records on disk, many with one sync, and only then lets orders go to the wire."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from realtrading.domain.commands import PlaceOrder, RecordOrder
from realtrading.domain.events import Event, OrderBlocked, OrderRecorded
from realtrading.domain.reasons import Reason
from realtrading.domain.values import Now
from realtrading.journal.store import IntentRecorded, Journal, Record
from realtrading.runtime.actor import Hand

from .tally import Tally


class JournalActor(Hand):
    """What is not recorded was never sent. A failure here ends the process."""

    def __init__(self, *, store: Journal, tally: Tally) -> None:
        super().__init__()
        self.store = store
        self.tally = tally

    def handle(self, message: Any, now: Now) -> Iterable[object]:
        """One letter alone (after a failed batch): the same as a batch of one."""
        return self.handle_batch([message], now)

    def handle_batch(self, messages: list[Any], now: Now) -> Iterable[object]:
        """Write all of it in one transaction, then say what may go on."""
        records = []
        for letter in self.letters:
            message = letter.message
            if isinstance(message, RecordOrder):
                event: Event = IntentRecorded(order=message.order, gate=message.gate)
            elif isinstance(message, Event) and message.durable:
                event = message
            else:
                continue
            records.append(
                Record(letter_seq=letter.seq, cause=letter.cause, sender=letter.sender, at=now.utc, event=event)
            )
        if not records:
            if self.store.checkpoint_due:
                self.store.checkpoint()
            return ()
        recorded = set(self.store.append(records).recorded)
        self.tally.committed(self.store.last_commit_s)
        answers: list[object] = []
        for message in messages:
            if isinstance(message, RecordOrder):
                answers.extend(go_on(message, message.order.id in recorded))
                recorded.discard(message.order.id)
        return answers


def go_on(message: RecordOrder, recorded: bool) -> Iterable[object]:
    """What follows a record: the wire and the word to orders; an id that was recorded before goes nowhere."""
    order = message.order
    if not recorded:
        text = "this id was recorded before; nothing is sent twice"
        return (OrderBlocked(order=order, reason=Reason.HOUSE_DUPLICATE, detail=text),)
    return (
        PlaceOrder(order=order, gate=message.gate, valid_until_mono=message.valid_until_mono),
        OrderRecorded(id=order.id),
    )
