"""`dies_at_commit.py commit|recorded N …`: the daemon, dead right after its N-th commit (of all, or of those with an intent).

Right after means: the record is on disk, and nobody in the process has heard of it yet.
"""

import os
import signal
import sys
from collections.abc import Sequence

from realtrading.__main__ import main
from realtrading.journal.records import Appended, Record
from realtrading.journal.store import Journal

usual = Journal.append
kind, left = sys.argv[1], int(sys.argv[2])


def append(self: Journal, records: Sequence[Record]) -> Appended:
    """Write, count, and die."""
    global left
    done = usual(self, records)
    left -= bool(done.recorded) if kind == "recorded" else 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return done


Journal.append = append  # type: ignore[method-assign]
main(sys.argv[3:])
