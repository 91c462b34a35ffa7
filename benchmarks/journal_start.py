"""How long a start takes after 10^5 events: open the journal, check it, begin a run, read every table back.

    python benchmarks/journal_start.py [EVENTS]

Each case is written once and opened by a process of its own, whose peak memory is told as well. The case "killed" has
every event still in SQLite's write-ahead log, as if no checkpoint had ever been made.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import attrs

from realtrading.domain.events import Event, OrderArchived, OrderFilled, OrderPlaced
from realtrading.domain.orders import OrderFill, OrderState, RealOrder
from realtrading.domain.values import ClientId, OrderType, Role, Side
from realtrading.journal import store
from realtrading.journal.codec import ROWS
from realtrading.journal.store import Binding, IntentRecorded, Journal, Record
from realtrading.journal.verify import verify

START = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS = 100_000
BATCH = 50
CASES = {
    "stopped, orders archived": (True, False),
    "killed, nothing checkpointed": (True, True),
    "stopped, every order retained": (False, False),
}
"""Name -> (final orders are archived, the writer dies without a checkpoint)."""


def opened(path: Path) -> Journal:
    """The journal as the engine opens it."""
    return Journal.open(
        path,
        binding=Binding(mode="simulated"),
        durability="process",
        code_version="benchmark",
        config_digest="benchmark",
        utc=lambda: START,
    )


def life(run: int, counter: int, *, archived: bool) -> list[Event]:
    """What is recorded of one order: let through, placed, filled, and archived when so wished."""
    now = START + timedelta(milliseconds=counter)
    fill = OrderFill(
        trade_id=counter, price=Decimal("60000.01"), quantity=Decimal("0.00123"), quote_quantity=Decimal("73.8000123"),
        commission=Decimal("0.00000123"), commission_asset="BTC", is_maker=False, timestamp=now,
    )  # fmt: skip
    new = RealOrder.new(
        id=str(ClientId(prefix="rt", run=run, strategy="bench", role=Role.ENTRY, counter=counter)),
        strategy="bench", role=Role.ENTRY, symbol="BTCUSDT", side=Side.BUY, order_type=OrderType.MARKET, now_utc=now,
        quantity=fill.quantity,
    )  # fmt: skip
    placed = attrs.evolve(new, state=OrderState.NEW, exchange_order_id=counter)
    filled = attrs.evolve(
        placed,
        state=OrderState.FILLED,
        executed_quantity=fill.quantity,
        cumulative_quote=fill.quote_quantity,
        fills=(fill,),
    )
    events = [IntentRecorded(order=new, gate=1), OrderPlaced(order=placed), OrderFilled(order=filled, fills=(fill,))]
    return [*events, OrderArchived(id=new.id, strategy="bench", symbol="BTCUSDT")] if archived else events


def lives(run: int, *, archived: bool) -> Iterator[Record]:
    """Orders one after another."""
    letter = counter = 0
    while True:
        counter += 1
        for event in life(run, counter, archived=archived):
            letter += 1
            at = START + timedelta(milliseconds=counter)
            yield Record(letter_seq=letter, cause=letter - 1, sender="orders", at=at, event=event)


def write(path: Path, events: int, *, archived: bool, killed: bool) -> None:
    """Fill a journal; a killed writer ends with everything in the log."""
    if killed:
        store.CHECKPOINT_FORCED = events * 2
    journal = opened(path)
    records = lives(journal.begin_run(), archived=archived)
    while journal.last_seq < events:
        journal.append([next(records) for _ in range(BATCH)])
    if killed:
        os._exit(0)
    journal.close()


def start(path: Path) -> None:
    """What the engine does with its journal before its house stands, and how long each part takes."""
    began = time.perf_counter()
    journal = opened(path)
    open_s = time.perf_counter() - began
    run = journal.begin_run()
    rows = {table: len(journal.rows(table)) for table in ROWS}
    total_s = time.perf_counter() - began
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size_mib = journal.size_bytes / 2**20
    journal.close()
    began = time.perf_counter()
    sound = verify(path).ok
    verify_s = time.perf_counter() - began
    print(
        f"  start {total_s:.2f} s (of it opening {open_s:.2f} s), run {run}, {rows['orders']} orders read, "
        f"journal {size_mib:.0f} MiB, peak memory {peak_mib:.0f} MiB; verifying all {verify_s:.2f} s: {sound}"
    )


def main() -> None:
    """Write and start each case, each half in a process of its own."""
    if len(sys.argv) > 2:
        role, path, events, name = sys.argv[1:]
        archived, killed = CASES[name]
        if role == "write":
            write(Path(path), int(events), archived=archived, killed=killed)
        else:
            start(Path(path))
        return
    events = sys.argv[1] if len(sys.argv) > 1 else str(EVENTS)
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(CASES):
            path = f"{folder}/{number}.db"
            print(f"{name}, {events} events", flush=True)
            for role in ("write", "start"):
                subprocess.run([sys.executable, __file__, role, path, events, name], check=True)


if __name__ == "__main__":
    main()
