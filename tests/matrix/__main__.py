"""Run the tests of the fault matrix and write the table: `python -m matrix [--jobs N] [--collect]`, in folder tests."""

import argparse
import contextlib
import sys
from pathlib import Path

import pytest

from matrix.collector import Collector
from matrix.table import as_json, as_markdown, lines

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".matrix"


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 when a row has no test, a failing one, or one that did not evaluate what the row needs."""
    parser = argparse.ArgumentParser(prog="python -m matrix", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, help="processes that run tests")
    parser.add_argument("--collect", action="store_true", help="run nothing: are there tests for every row?")
    chosen = parser.parse_args(arguments)
    collector = Collector()
    command = [f"--rootdir={ROOT}", "-c", str(ROOT / "setup.cfg"), "-m", "matrix", "-q", str(ROOT / "tests")]
    command += ["--collect-only"] if chosen.collect else ["-n", str(chosen.jobs), "--dist", "worksteal"]
    with contextlib.redirect_stdout(sys.stderr):  # the table alone is the output
        ended = pytest.main(command, plugins=[collector])
    table = lines(collector.tests.values(), collected_only=chosen.collect)
    print(as_markdown(table), end="")
    if not chosen.collect:
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / "matrix.md").write_text(as_markdown(table), encoding="utf-8")
        (FOLDER / "matrix.json").write_text(as_json(table), encoding="utf-8")
    return 1 if ended or any(line.complaints for line in table) else 0


if __name__ == "__main__":
    sys.exit(main())
