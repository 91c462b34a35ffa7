"""Defects put into the house at run time, by name: each must be found by the simulation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import attrs
import pytest

from realtrading import assembly
from realtrading.actors import balances, order_events, order_facts, order_rounds, orders, positions, reconciliation, risk
from realtrading.actors import journal as journal_actor
from realtrading.actors.balances import BalancesActor
from realtrading.actors.gateway import GatewayActor
from realtrading.actors.journal import JournalActor
from realtrading.actors.positions import PositionsActor
from realtrading.actors.reconciliation import ReconciliationActor
from realtrading.actors.risk import RiskActor
from realtrading.domain import breaker, order_merge
from realtrading.domain import events as e
from realtrading.domain import reports as r
from realtrading.domain.commands import PlaceOrder, RecordOrder
from realtrading.domain.fills import fill_of
from realtrading.domain.reasons import Reason
from realtrading.journal.store import Journal
from realtrading.runtime.endings import Endings
from realtrading.venue.binance_venue import BinanceVenue

Patch = pytest.MonkeyPatch


def _nothing(*_: Any, **__: Any) -> None:
    """Does not do what should be done."""


def resend_on_timeout(patch: Patch) -> None:
    """A placement whose outcome nobody knows is sent once more."""
    place = BinanceVenue.place

    async def twice(self: BinanceVenue, order: Any, **more: Any) -> Any:
        answer = await place(self, order, **more)
        return await place(self, order, **more) if isinstance(answer, r.PlacementUnknown) else answer

    patch.setattr(BinanceVenue, "place", twice)


def absent_at_once(patch: Patch) -> None:
    """The first "does not exist" is taken for proof."""
    patch.setattr(order_facts, "absence_proved", lambda order, looks, server_now: True)


def unknown_is_refused(patch: Patch) -> None:
    """An unknown outcome is a no."""

    def unknown(self: Any, message: Any, now: Any, draft: Any) -> None:
        order = draft.row("orders", message.id)
        if order is not None and order.state == "Pending":
            order_facts.reject(draft, order, now, Reason.VENUE_REJECTED, message.detail)

    patch.setitem(orders.OrdersActor.handlers, r.PlacementUnknown, unknown)


def fills_not_deduplicated(patch: Patch) -> None:
    """A trade told twice is two fills."""
    patch.setattr(order_merge, "unknown_fills", lambda known, trades: tuple(map(fill_of, trades)))


def unknown_not_held(patch: Patch) -> None:
    """Risk frees an order as soon as nobody knows its outcome."""

    def free(self: Any, message: Any, now: Any, draft: Any) -> None:
        draft.say(e.CommitmentHeld(order_id=message.order.id, commitment=None))

    patch.setitem(RiskActor.handlers, e.OrderUnknown, free)
    _forget_unknown(patch)


def _forget_unknown(patch: Patch) -> None:
    merge_order = RiskActor.merge_order

    def merge(self: RiskActor, draft: Any, order: Any) -> None:
        if order.state != "Unknown":
            merge_order(self, draft, order)

    patch.setattr(RiskActor, "merge_order", merge)


def no_hold(patch: Patch) -> None:
    """Risk vets and holds nothing."""
    hold = risk.CommitmentHeld

    def spent(order_id: str, commitment: Any) -> Any:
        return hold(order_id=order_id, commitment=None)

    patch.setattr(risk, "CommitmentHeld", spent)


def gap_never_asked(patch: Patch) -> None:
    """Fills that are missing are not fetched, neither by id nor by the round."""
    ask = order_events.ask

    def without_gaps(draft: Any, order: Any, now: Any) -> None:
        if order.missing_quantity <= 0:
            ask(draft, order, now)

    for module in (order_events, order_facts, order_rounds, orders):
        patch.setattr(module, "ask", without_gaps)


def last_look_skipped(patch: Patch) -> None:
    """The gateway signs whatever it is given."""
    patch.setattr(GatewayActor, "last_look", _nothing)


def cursor_too_far(patch: Patch) -> None:
    """The cursor passes trades whose order is still being asked about."""

    def move(message: Any, draft: Any) -> None:
        for symbol, newest in message.cursors.items():
            old = draft.row("cursors", symbol)
            if old is None or newest > old:
                draft.say(e.TradesCursorMoved(symbol=symbol, trade_id=newest))
        for key in draft.rows("unmatched"):
            draft.say(order_events.TradesUnmatched(key=key, trades=None))

    patch.setattr(order_rounds, "move_cursors", move)


def breaker_told_late(patch: Patch) -> None:
    """The breaker hears of a loss only when the successor serves already."""
    close = Endings._close

    def late(self: Endings, ward: Any, in_hand: Any, beside: Any, cause: Any) -> None:
        callbacks = self._callbacks
        self._callbacks = attrs.evolve(callbacks, on_lost=lambda name, letter, token: None)
        close(self, ward, in_hand, beside, cause)
        self._callbacks = callbacks
        post = self._house.post_office
        lost = callbacks.on_lost(ward.mailbox.name, None, post.next_seq())
        ward.told_late = lost  # the next death tells the last one

    patch.setattr(Endings, "_close", late)


def stated_ignored(patch: Patch) -> None:
    """Totals of totals heal nobody."""
    for kind in (RiskActor, PositionsActor, BalancesActor):
        patch.setitem(kind.handlers, e.OrdersStated, _nothing)


def cumulative_booked(patch: Patch) -> None:
    """Positions books an order's cumulative quantity with each new fill."""
    book_order = positions.book_order

    def cumulative(book: Any, order: Any, base: str, quote: str, now_utc: Any) -> Any:
        last = attrs.evolve(order.fills[-1], quantity=order.executed_quantity, quote_quantity=order.cumulative_quote)
        return book_order(book, attrs.evolve(order, fills=(last,)), base, quote, now_utc)

    patch.setattr(positions, "book_order", cumulative)


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


def external_ignored(patch: Patch) -> None:
    """Somebody else's trade moves no wallet."""
    patch.setattr(order_facts, "external", _nothing)


def fee_forgotten(patch: Patch) -> None:
    """The ledger books fills without fees."""

    def without(order: Any) -> Any:
        return attrs.evolve(order, fills=tuple(attrs.evolve(fill, commission=Decimal(0)) for fill in order.fills))

    effects, line_with_order = balances.effects, balances.line_with_order
    patch.setattr(balances, "effects", lambda order, base, quote: effects(without(order), base, quote))
    patch.setattr(
        balances, "line_with_order", lambda line, order, base, quote: line_with_order(line, without(order), base, quote)
    )


def gate_not_raised(patch: Patch) -> None:
    """A cause opens, and what had passed before goes on."""
    open_cause = breaker.open_cause

    def quietly(book: Any, *given: Any) -> Any:
        return attrs.evolve(open_cause(book, *given), gate=book.gate)

    patch.setattr(breaker, "open_cause", quietly)


def reconnect_without_round(patch: Patch) -> None:
    """A new generation is trusted without looking at what was missed."""

    def connected(self: Any, message: Any, now: Any, draft: Any) -> None:
        plan = self.plan(draft)
        plan = attrs.evolve(plan, generation=message.generation, round=None)
        draft.say(reconciliation.PlanChanged(plan=plan))

    def stream_lost(self: Any, message: Any, now: Any, draft: Any) -> None:
        self.open(draft, breaker.CauseKind.STREAM_LOST, breaker.ACCOUNT, f"stream-{message.generation}", "", now)

    patch.setitem(ReconciliationActor.handlers, r.StreamConnected, connected)
    patch.setitem(assembly.makers.__globals__["ACTORS"][5].kind.handlers, r.StreamLost, stream_lost)


def flow_booked_twice(patch: Patch) -> None:
    """A deposit told twice is two deposits."""
    with_flow = balances.with_flow
    patch.setattr(balances, "with_flow", lambda line, kind, identity, delta: attrs.evolve(
        with_flow(attrs.evolve(line, seen=()), kind, identity, delta), seen=(*line.seen, identity)[-256:]
    ))  # fmt: skip


def late_report_takes_back(patch: Patch) -> None:
    """The newest report's quantity stands, whatever was known before."""
    grown = order_merge._grown

    def last_word(order: Any, new: Any, executed: Any, quote: Any) -> Any:
        merged = grown(order, new, executed, quote)
        return attrs.evolve(merged, executed_quantity=executed) if executed else merged

    patch.setattr(order_merge, "_grown", last_word)


def start_trusts_the_journal(patch: Patch) -> None:
    """A start needs no confirmation by the exchange."""
    patch.setattr(assembly, "open_cause", lambda book, *given: book)


def run_number_again(patch: Patch) -> None:
    """A run's number comes from the journal alone, which may be an old copy."""
    begin_run = Journal.begin_run
    patch.setattr(Journal, "begin_run", lambda self, seen_run=0: begin_run(self))


def duplicates_pass(patch: Patch) -> None:
    """An id that was recorded before goes to the wire again."""
    patch.setattr(
        journal_actor,
        "go_on",
        lambda message, recorded: (
            PlaceOrder(order=message.order, gate=message.gate, valid_until_mono=message.valid_until_mono),
            e.OrderRecorded(id=message.order.id),
        ),
    )


BREAKS: dict[str, Callable[[Patch], None]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        resend_on_timeout, absent_at_once, unknown_is_refused, fills_not_deduplicated, unknown_not_held, no_hold,
        gap_never_asked, last_look_skipped, cursor_too_far, breaker_told_late, stated_ignored, cumulative_booked,
        placed_before_recorded, external_ignored, fee_forgotten, gate_not_raised, reconnect_without_round,
        flow_booked_twice, late_report_takes_back, start_trusts_the_journal, run_number_again, duplicates_pass,
    )
}  # fmt: skip


@contextmanager
def broken(name: str | None) -> Iterator[None]:
    """While it lasts the house has this defect; none with None."""
    with pytest.MonkeyPatch.context() as patch:
        if name is not None:
            BREAKS[name](patch)
        yield
