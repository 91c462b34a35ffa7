"""Writes the journal of the present schema that every later version must be able to read.

    python -m journal.record_history FOLDER

Run once when a schema lands; the two files it makes in tests/recordings/journals/ are never made again. Every durable
event there is then occurs, built from its type hints by a fixed seed.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from pathlib import Path
from typing import Any

import attrs

from journal.samples import START, fill, filled, intent, opened, placed, record, seeded
from realtrading.domain.values import Side
from realtrading.journal import readers
from realtrading.journal.codec import EVENTS, ROWS, encode_event, encode_row
from realtrading.journal.files import SCHEMA_VERSION
from realtrading.journal.store import Binding, Record


def records() -> list[Record]:
    """A little trade, and one of every durable event."""
    chance = random.Random(f"schema {SCHEMA_VERSION}")
    trade = [intent(1), placed(1), filled(1, Side.BUY, fill(1, "0.5", "100.10", "0.0005", "BTC"))]
    return trade + [record(seeded(EVENTS[name], chance), letter) for letter, name in enumerate(sorted(EVENTS), 2)]


def as_told(path: Path) -> dict[str, Any]:
    """Everything a journal says, decoded by this version and spelled again."""
    with readers.opened(path) as reader:
        return {
            "binding": attrs.asdict(reader.binding()),
            "runs": [run.run for run in reader.runs()],
            "rows": {
                table: {key: json.loads(encode_row(table, value)) for key, value in reader.rows(table).items()}
                for table in ROWS
            },
            "events": [[one.seq, one.type, one.order_id, json.loads(encode_event(one.event))] for one in reader.events()],
        }


def digest(told: dict[str, Any]) -> str:
    """SHA-256 of the told, independent of the order of keys."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def main() -> None:
    """Write the journal and what it says."""
    path = Path(sys.argv[1]) / f"schema-{SCHEMA_VERSION:04}.db"
    binding = Binding(mode="simulated", account_uid=354937868)
    with opened(path, binding=binding, durability="power", utc=lambda: START) as journal:
        journal.begin_run()
        for one in records():
            journal.append([one])
        state = journal.last_state_digest()
    told = as_told(path)
    for left in (".lock", "-wal", "-shm"):
        path.with_name(path.name + left).unlink(missing_ok=True)
    summary = {"digest": digest(told), "state": state, "told": told}
    path.with_suffix(".json").write_text(json.dumps(summary, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
