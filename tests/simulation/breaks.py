"""Defects put into the house at run time: the judge's own test. Many more are patches, in `tests/mutants`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest

from realtrading.actors import journal as journal_actor
from realtrading.actors import risk
from realtrading.actors.journal import JournalActor
from realtrading.domain import order_merge
from realtrading.domain import reports as r
from realtrading.domain.commands import RecordOrder
from realtrading.venue.binance_venue import BinanceVenue

Patch = pytest.MonkeyPatch


def resend_on_timeout(patch: Patch) -> None:
    """A placement whose outcome nobody knows is sent once more."""
    place = BinanceVenue.place

    async def twice(self: BinanceVenue, order: Any, **more: Any) -> Any:
        answer = await place(self, order, **more)
        return await place(self, order, **more) if isinstance(answer, r.PlacementUnknown) else answer

    patch.setattr(BinanceVenue, "place", twice)


def no_hold(patch: Patch) -> None:
    """Risk vets and holds nothing."""
    hold = risk.CommitmentHeld

    def spent(order_id: str, commitment: Any) -> Any:
        return hold(order_id=order_id, commitment=None)

    patch.setattr(risk, "CommitmentHeld", spent)


def placed_before_recorded(patch: Patch) -> None:
    """The order goes to the wire while its record is still on its way to the disk."""
    batch = JournalActor.handle_batch

    def early(self: JournalActor, messages: Any, now: Any) -> Any:
        held = [letter for letter in self.letters if isinstance(letter.message, RecordOrder)]
        kept = tuple(letter for letter in self.letters if not isinstance(letter.message, RecordOrder))
        self._letters = kept
        answers = list(batch(self, [letter.message for letter in kept], now))
        for letter in held:
            answers += journal_actor.go_on(letter.message, True)
        return answers

    patch.setattr(JournalActor, "handle_batch", early)


def late_report_takes_back(patch: Patch) -> None:
    """The newest report's quantity stands, whatever was known before."""
    grown = order_merge._grown

    def last_word(order: Any, new: Any, executed: Any, quote: Any) -> Any:
        merged = grown(order, new, executed, quote)
        return attrs.evolve(merged, executed_quantity=executed) if executed else merged

    patch.setattr(order_merge, "_grown", last_word)


BREAKS: dict[str, Callable[[Patch], None]] = {
    each.__name__.replace("_", "-"): each
    for each in (resend_on_timeout, no_hold, placed_before_recorded, late_report_takes_back)
}


@contextmanager
def broken(name: str | None) -> Iterator[None]:
    """While it lasts the house has this defect; none with None."""
    with pytest.MonkeyPatch.context() as patch:
        if name is not None:
            BREAKS[name](patch)
        yield
