"""The design's invariants as judges: each compares one engine with the exchange's ledger, its request log, or the disk.

A judge returns what is wrong. `expect_invariants` calls all of them on an engine at rest and notes them as evaluated.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from house.kit import KEY, SECRET, Ear, Judge, violations
from matrix.evidence import judged
from realtrading.domain.breaker import ACCOUNT, CauseKind
from realtrading.domain.events import ActorRestarted, BreakerChanged, KeeperLost, OrderEvent, OrderRevised
from realtrading.domain.orders import TERMINAL, RealOrder
from realtrading.engine import RealTradingEngine
from realtrading.journal.readers import opened
from realtrading.journal.records import IntentRecorded, Stored
from realtrading.topology import ACTORS
from waiting import wait_until

HALT_LAG_MS = 250
"""G10: how long after a cause was opened something that passed before it may still be signed."""


def expect_invariants(judge: Judge, engine: RealTradingEngine, ear: Ear, *, skewed: bool = False) -> None:
    """Fail unless all of G1–G8, G10, G14 to G16 and G18 hold; the engine must be at rest, its orders not archived.

    `skewed`: the exchange's clock was set off on purpose, so its moments say nothing about ours.
    """
    with judged("G1", "G3", "G4"):
        assert [] == violations(judge, engine)
    stored = records(engine)
    with judged("G2"):
        assert [] == sent_before_recorded(judge, engine, stored, skewed=skewed)
    with judged("G5"):
        assert [] == above_limits(judge, engine)
    with judged("G6"):
        assert [] == backward_steps(ear)
    with judged("G7", "G8"):
        wait_until(lambda: not unlike_disk(engine), 10, "what is on disk is what is in memory")
        assert [] == unlike_disk(engine)
    if not skewed:
        with judged("G10"):
            assert [] == signed_while_shut(judge, engine, stored)
    with judged("G14"):
        assert [] == untold(engine, ear, stored)
    with judged("G15"):
        assert [] == secrets_told(engine, ear)
    with judged("G16"):
        assert [] == [*odd_numbers(engine.orders), *odd_numbers(engine.balances), *odd_numbers(engine.position_books)]
    with judged("G18"):
        assert [] == [each.name for each in engine.house.snapshot() if each.waiting > caps(each.name)]


def records(engine: RealTradingEngine) -> list[Stored]:
    """What this engine's run has written."""
    with opened(engine.settings.journal_path) as reader:
        return [stored for stored in reader.events() if stored.run == engine.run]


def sent_before_recorded(judge: Judge, engine: RealTradingEngine, stored: list[Stored], *, skewed: bool) -> list[str]:
    """G2: requests to place an order of ours whose intent was not on disk when the exchange saw them."""
    kept = {each.event.order.id: moment_ms(each.at) for each in stored if isinstance(each.event, IntentRecorded)}
    mine = f"{engine.settings.prefix}_"
    found = []
    for asked in judge.requests(kind="place"):
        name = asked["client_order_id"]
        if name.startswith(mine) and run_of(name) == engine.run:
            if name not in kept:
                found.append(f"{name} was sent and is not on disk")
            elif not skewed and asked["at_ms"] < int(kept[name]):
                found.append(f"{name} was sent at {asked['at_ms']}, recorded at {kept[name]}")
    return found


def run_of(client_id: str) -> int:
    """The run number in one of our ids."""
    return int(client_id.split("_")[1], 36)


def moment_ms(moment: datetime) -> float:
    """Epoch milliseconds."""
    return moment.astimezone(UTC).timestamp() * 1000


def above_limits(judge: Judge, engine: RealTradingEngine) -> list[str]:
    """G5: moments at which what was held, what was open and what had just come exceeded a limit, at the ledger's prices.

    Half a per cent is left for a market that moved between the decision and the exchange.
    """
    truth, mine, limits = judge.truth(), f"{engine.settings.prefix}_", engine.settings.limits
    ours = {(o["symbol"], o["orderId"]): o for o in truth["orders"] if o["clientOrderId"].startswith(mine)}
    fills = [fill for fill in truth["trades"] if (fill["symbol"], fill["orderId"]) in ours]
    found = []
    for order in ours.values():
        at, value = order["time"], {symbol: Decimal(0) for symbol, _ in ours}
        for key, each in ours.items():
            if each["time"] <= at:
                value[each["symbol"]] += worth(each, [f for f in fills if (f["symbol"], f["orderId"]) == key], at)
        for symbol, amount in value.items():
            if amount > limits.max_position_size_usdt * Decimal("1.005"):
                found.append(f"{symbol}: {amount} at {at}, limit {limits.max_position_size_usdt}")
        if (total := sum(value.values())) > limits.max_total_exposure_usdt * Decimal("1.005"):
            found.append(f"{total} in all at {at}, limit {limits.max_total_exposure_usdt}")
    return found


def worth(order: dict[str, Any], fills: list[dict[str, Any]], at: int) -> Decimal:
    """What an order was worth at that moment: its fills until then, and for an open buy the rest at its price."""
    sign = 1 if order["side"] == "BUY" else -1
    done = [fill for fill in fills if fill["time"] <= at]
    value = sum((Decimal(fill["quoteQty"]) for fill in done), Decimal(0)) * sign
    rests = order["status"] in ("NEW", "PARTIALLY_FILLED") or order["updateTime"] > at
    if sign > 0 and rests:
        value += (Decimal(order["origQty"]) - sum(Decimal(fill["qty"]) for fill in done)) * Decimal(order["price"])
    return value


def backward_steps(ear: Ear) -> list[str]:
    """G6: events in which an order left its end without a revision, lost executed quantity, or had too much of it."""
    last: dict[str, RealOrder] = {}
    found = []
    for event in ear.of(OrderEvent):
        new, old = event.order, last.get(event.order.id)
        if old is not None and old.state in TERMINAL and new.state is not old.state and not isinstance(event, OrderRevised):
            found.append(f"{new.id}: {old.state} -> {new.state}")
        if old is not None and new.executed_quantity < old.executed_quantity:
            found.append(f"{new.id}: executed {old.executed_quantity} -> {new.executed_quantity}")
        if new.quote_quantity is None and new.executed_quantity > new.original_quantity:
            found.append(f"{new.id}: executed {new.executed_quantity} of {new.original_quantity}")
        last[new.id] = new
    return found


def unlike_disk(engine: RealTradingEngine) -> list[str]:
    """G7, G8: tables of which the disk, read twice, does not hold exactly what the memory holds."""
    assert engine.settled(10)
    found = []
    with opened(engine.settings.journal_path) as reader:
        for row in ACTORS:
            for kept, own in row.recovers:
                once, twice = reader.rows(kept), reader.rows(kept)
                if not once == twice == dict(engine.house.tables(row.name)[own].snapshot()):
                    found.append(f"{row.name}'s {own}")
    return found


def signed_while_shut(judge: Judge, engine: RealTradingEngine, stored: list[Stored]) -> list[str]:
    """G10: entries that the exchange saw while a cause had kept the whole account shut for a quarter of a second."""
    entries = {e.event.order.id for e in stored if isinstance(e.event, IntentRecorded) and e.event.gate is not None}
    seen = [each for each in judge.requests(kind="place") if each["client_order_id"] in entries]
    return [
        f"{each['client_order_id']} at {each['at_ms']}, shut from {start:.0f} to {end:.0f}"
        for start, end in shut_spans(stored)
        for each in seen
        if start + HALT_LAG_MS < each["at_ms"] < end
    ]


def shut_spans(stored: list[Stored]) -> Iterator[tuple[float, float]]:
    """From when to when, in epoch milliseconds, the journal says that nothing new could pass."""
    began = None
    for each in stored:
        if isinstance(each.event, BreakerChanged):
            probing = each.event.state.half_open
            shut = any(c.scope == ACCOUNT and not (probing and c.kind is CauseKind.ERRORS) for c in each.event.causes)
            if shut and began is None:
                began = moment_ms(each.at)
            elif not shut and began is not None:
                yield began, moment_ms(each.at)
                began = None
    if began is not None:
        yield began, float("inf")


def untold(engine: RealTradingEngine, ear: Ear, stored: list[Stored]) -> list[str]:
    """G14: deaths, restarts and breaker changes that the journal, the feed and the metrics do not count alike.

    What a feed that died did not tell is in the journal all the same.
    """
    found = []
    kept = {kind: sum(isinstance(each.event, kind) for each in stored) for kind in (ActorRestarted, KeeperLost, BreakerChanged)}
    if not any(isinstance(each.event, KeeperLost) and each.event.name == "feed" for each in stored):
        for kind, count in kept.items():
            if count != len(ear.of(kind)):
                found.append(f"{kind.__name__}: {count} in the journal, {len(ear.of(kind))} on the feed")
        if sum(engine.tally.trips.values()) != (opened_ := causes_opened(ear)):
            found.append(f"{sum(engine.tally.trips.values())} trips counted, {opened_} causes opened")
    counted = sum(sum(each.restarts.values()) for each in engine.house.snapshot())
    if counted != kept[KeeperLost]:
        found.append(f"{counted} ends counted, {kept[KeeperLost]} in the journal")
    return found


def causes_opened(ear: Ear) -> int:
    """How many causes were told as open that the breaker's word before did not have; the first word counts nothing."""
    before, count = None, 0
    for event in ear.of(BreakerChanged):
        now = {(cause.kind, cause.scope) for cause in event.causes}
        count += len(now - before) if before is not None else 0
        before = now
    return count


def secrets_told(engine: RealTradingEngine, ear: Ear) -> list[str]:
    """G15: places where the key, the secret or a signature can be read."""
    path = Path(engine.settings.journal_path)
    places = {each.name: each.read_bytes() for each in sorted(path.parent.glob(f"{path.name}*")) if each.is_file()}
    places["events"] = "\n".join(repr(event) for _, event in ear.heard).encode()
    wanted = (KEY.encode(), SECRET.encode(), b"signature=")
    return [f"{secret!r} in {name}" for name, data in places.items() for secret in wanted if secret in data]


def odd_numbers(value: Any, place: str = "") -> Iterator[str]:
    """G16: numbers below this value that are floats, not finite, or beyond 40 digits."""
    if isinstance(value, Decimal):
        if not value.is_finite() or len(value.as_tuple().digits) > 40:
            yield f"{place}: {value}"
    elif isinstance(value, float):
        yield f"{place}: the float {value}"
    elif attrs.has(type(value)):
        for each in attrs.fields(type(value)):
            yield from odd_numbers(getattr(value, each.name), f"{place}.{each.name}")
    elif isinstance(value, dict) or hasattr(value, "items"):
        for key, each in value.items():
            yield from odd_numbers(each, f"{place}[{key}]")
    elif isinstance(value, (tuple, list, frozenset)):
        for each in value:
            yield from odd_numbers(each, place)


def caps(name: str) -> int:
    """How many letters may wait for this actor."""
    return next((row.soft_cap for row in ACTORS if row.name == name), 10_000)
