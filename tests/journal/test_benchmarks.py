"""The programs that measure starts and memory run, and what they print holds at a small size too."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def printed(name: str, *typed: object) -> str:
    """What benchmarks/`name` prints; it must end well."""
    command = [sys.executable, str(ROOT / "benchmarks" / name), *map(str, typed)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_way_to_start_gives_one_digest(tmp_path: Path) -> None:
    """With checkpoints, without, verified and folded from the first record: one digest at each size."""
    told = printed("journal_years.py", tmp_path, 3000, 6000)
    digests = re.findall(r"digest ([0-9a-f]{16})", told)
    assert len(digests) == 8
    assert len(set(digests[:4])) == 1
    assert len(set(digests[4:])) == 1
    assert told.count("sound: True") == 2


def test_orders_that_are_over_leave_the_tables() -> None:
    """After twice as many order events memory is the same within a tenth, and no table but that of late words has grown:
    it forgets after an hour.
    """
    told = printed("memory.py", 1600, 800)
    for table in ("orders.orders", "orders.finals"):
        rows = [int(count) for count in re.findall(rf"'{re.escape(table)}': (\d+)", told)]
        assert len(rows) == 2
        assert max(rows) < 100
    assert set(re.findall(r"'([a-z_]+[.:][a-z_]+)'", told)) <= {"orders.orders", "orders.finals", "orders.archived"}
