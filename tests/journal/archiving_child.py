"""Archives a journal in a process of its own, for tests that kill it or let the disk refuse.

    python -m journal.archiving_child PATH BEFORE [BYTES]

Says `go` before it begins. With BYTES the file system refuses to let any file grow beyond that; what a person would be
told is printed then.
"""

from __future__ import annotations

import resource
import signal
import sys
from datetime import date

from realtrading.errors import BadInput
from realtrading.journal.archiving import archive


def main() -> None:
    """Archive, and say how it ended."""
    if len(sys.argv) > 3:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
    print("go", flush=True)
    try:
        moved = archive(sys.argv[1], date.fromisoformat(sys.argv[2]))
    except BadInput as refused:
        print(f"{refused.exit_code} {refused}", flush=True)
    else:
        print(f"0 {moved.archive is not None} {moved.given_back}", flush=True)


if __name__ == "__main__":
    main()
