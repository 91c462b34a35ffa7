"""A house reduced to its journal, for tests that kill it: appends for ever and prints what was acknowledged.

    python -m journal.appending PATH DURABILITY SEED [BYTES]

Each line is the counter of the last acknowledged intent. With BYTES the file system refuses to let any file grow beyond
that; then the program ends by itself, printing `failed` and what the next append says.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
from pathlib import Path

from journal.samples import client_id, intent, opened, placed, record
from realtrading.domain.events import OrderArchived
from realtrading.journal.store import JournalFailed, Record


def batch(counter: int, run: int, chance: random.Random) -> list[Record]:
    """One to four records: an intent, and what became of it, or of an earlier one."""
    records = [intent(counter, run)]
    if chance.random() < 0.6:
        records.append(placed(counter, run))
    if counter > 5 and chance.random() < 0.5:
        old = client_id(counter - 5, run)
        records.append(record(OrderArchived(id=old, strategy="demo", symbol="BTCUSDT")))
    return records


def main() -> None:
    """Append until killed or refused."""
    path, durability, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    journal = opened(path, durability=durability)
    chance = random.Random(seed)
    run = journal.begin_run()
    if len(sys.argv) > 4:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), resource.RLIM_INFINITY))
    counter = 0
    try:
        while True:
            counter += 1
            journal.append(batch(counter, run, chance))
            print(counter, flush=True)
            if chance.random() < 0.05:
                journal.checkpoint()
    except JournalFailed as failure:
        print(f"failed: {failure}", flush=True)
    try:
        journal.append([intent(counter + 1, run)])
    except JournalFailed as failure:
        print(f"again: {failure}", flush=True)
    journal.close()


if __name__ == "__main__":
    main()
