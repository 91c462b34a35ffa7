"""What exchange and journal say about each other once everything has come to rest after a kill."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from crash_points.stage import PREFIX
from house.kit import Judge
from realtrading.domain.events import OrderEvent, OrderRevised
from realtrading.domain.orders import RealOrder
from realtrading.journal.fold import fold_rows
from realtrading.journal.readers import opened
from realtrading.journal.records import IntentRecorded
from realtrading.journal.verify import verify


@attrs.frozen
class Promises:
    """What the callers of the killed processes were told: ids on disk, and the ends of orders."""

    recorded: set[str] = attrs.field(factory=set)
    final: dict[str, tuple[str, str]] = attrs.field(factory=dict)

    def hear(self, line: Mapping[str, Any]) -> None:
        """One line of a process."""
        if "recorded" in line:
            self.recorded.add(line["recorded"])
        elif "final" in line:
            self.final[line["final"]] = (line["state"], line["executed"])


def intents(journal: Path) -> set[str]:
    """The ids of all recorded intents; none when there is no journal yet."""
    if not journal.exists():
        return set()
    with opened(journal) as reader:
        events = (stored.event for stored in reader.events(types=["IntentRecorded"]))
        return {event.order.id for event in events if isinstance(event, IntentRecorded)}


def wrong_on_disk(journal: Path, judge: Judge, promises: Promises, never_sent: set[str]) -> list[str]:
    """Everything in which the journal, the exchange's request log and the promises contradict each other."""
    recorded = intents(journal)
    return [
        *requests_wrong(judge, recorded, never_sent),
        *promises_wrong(journal, promises, recorded),
        *monotone_wrong(journal),
        *journal_wrong(journal),
    ]


def requests_wrong(judge: Judge, recorded: set[str], never_sent: set[str]) -> Iterable[str]:
    """G1, G2: one request and one order per id at most, none without a record, none sent after its own life."""
    for name, seen in judge.places().items():
        if not name.startswith(f"{PREFIX}_"):
            continue  # made by hand at the judge's door
        if seen["place_requests"] > 1 or seen["orders_created"] > 1:
            yield f"{name}: {seen}"
        if name not in recorded:
            yield f"{name} was sent without a record"
        if name in never_sent:
            yield f"{name} was sent by a later life"


def promises_wrong(journal: Path, promises: Promises, recorded: set[str]) -> Iterable[str]:
    """G8: what was acknowledged to a caller is on disk, and an end that was told is the end that stays."""
    yield from (f"{name} was acknowledged and is not on disk" for name in sorted(promises.recorded - recorded))
    last = {order.id: order for order, _ in order_words(journal)}
    for name, (state, executed) in promises.final.items():
        order = last.get(name)
        if order is None or (str(order.state), order.executed_quantity) != (state, Decimal(executed)):
            yield f"{name}: the caller heard {state} {executed}, the journal says {order}"


def order_words(journal: Path) -> list[tuple[RealOrder, bool]]:
    """(total, whether it revises an end) of every event about an order, in order."""
    if not journal.exists():
        return []
    with opened(journal) as reader:
        events = [stored.event for stored in reader.events()]
    return [(each.order, isinstance(each, OrderRevised)) for each in events if isinstance(each, OrderEvent)]


def monotone_wrong(journal: Path) -> Iterable[str]:
    """G6: an order's quantity never falls and never exceeds what was ordered, and an end stays unless it is revised."""
    before: dict[str, RealOrder] = {}
    for order, revises in order_words(journal):
        old = before.get(order.id)
        if old is not None and order.executed_quantity < old.executed_quantity:
            yield f"{order.id}: executed fell from {old.executed_quantity} to {order.executed_quantity}"
        if order.original_quantity and order.executed_quantity > order.original_quantity:
            yield f"{order.id}: executed {order.executed_quantity} of {order.original_quantity}"
        if old is not None and old.is_terminal() and order.state != old.state and not revises:
            yield f"{order.id}: {old.state} became {order.state}"
        before[order.id] = order


def journal_wrong(journal: Path) -> Iterable[str]:
    """G7: the chain is whole, and the rows are what the events leave behind."""
    report = verify(journal)
    if not report.ok:
        yield f"journal: {report.problem}"
        return
    with opened(journal) as reader:
        folded = fold_rows(stored.event for stored in reader.events())
        yield from (f"table {table} is not what its events say" for table, rows in folded.items() if reader.rows(table) != rows)
