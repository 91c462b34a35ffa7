"""The command: run seeds, print what they reached; for the first violation its seed, last letters and shrunken script."""

import argparse
import hashlib
import sys
import time
from collections import Counter
from pathlib import Path

import attrs

from .reached import tame
from .run import Result, least, results, run_script, run_seed
from .script import Script
from .world import FAULTS_MIN, ORDERS_MIN

FOUND = Path(__file__).resolve().parents[2] / ".simulation"
"""Where scripts of violations are saved."""


@attrs.define
class Totals:
    """What all seeds did together. `few` are seeds below the least a seed must have."""

    seeds: int = 0
    letters: int = 0
    virtual_s: float = 0.0
    faults: Counter[str] = attrs.field(factory=Counter)
    evaluated: Counter[str] = attrs.field(factory=Counter)
    reached: Counter[str] = attrs.field(factory=Counter)
    few: list[int] = attrs.field(factory=list)
    digest: str = ""

    def add(self, result: Result) -> None:
        """One more seed."""
        self.seeds += 1
        self.letters += result.letters
        self.virtual_s += result.virtual_s
        self.faults.update(result.faults)
        self.evaluated.update(result.evaluated)
        self.reached.update(result.reached)
        self.digest = hashlib.sha256(f"{self.digest}{result.digest}".encode()).hexdigest()[:16]
        if result.reached["orders"] < ORDERS_MIN or sum(result.faults.values()) < FAULTS_MIN:
            self.few.append(result.seed)

    def tell(self, wall_s: float, violations: int) -> None:
        """All of it, by name."""
        for title, counts in (
            ("faults injected", self.faults), ("invariants evaluated", self.evaluated), ("branches reached", self.reached)
        ):  # fmt: skip
            print(f"{title}: {sum(counts.values())}")
            print("".join(f"  {what}: {times}\n" for what, times in sorted(counts.items())), end="")
        hours = self.virtual_s / 3600
        print(
            f"{self.seeds} seeds, {violations} violations, {self.reached['orders']} orders, "
            f"{sum(self.faults.values())} faults, {sum(self.evaluated.values())} checks, {self.letters} letters, "
            f"{hours:.2f} simulated hours in {wall_s:.1f} s "
            f"({self.seeds / wall_s:.2f} seeds/s, {hours / wall_s:.4f} h/s), digest {self.digest}"
        )


def main(arguments: list[str] | None = None) -> None:
    """Exit 0: no violation, and the nemesis was wild enough; 1 otherwise."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--script", type=Path, help="replay a saved script")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--keep-going", action="store_true", help="do not end at the first violation")
    parser.add_argument("--shrink-s", type=float, default=90.0, help="seconds to spend on shrinking the first violation")
    given = parser.parse_args(arguments)
    if given.script is not None:
        result = run_script(Script.load(given.script))
        show(result)
        sys.exit(int(result.violation is not None))
    seeds = [given.seed] if given.seed is not None else list(range(given.first, given.first + given.seeds))
    began, found, totals = time.perf_counter(), [], Totals()
    for result in results(seeds, given.jobs):
        totals.add(result)
        if result.violation is not None:
            found.append(result)
            print(f"seed {result.seed}: {result.violation}")
            if not given.keep_going:
                break
    totals.tell(time.perf_counter() - began, len(found))
    if found:
        show(found[0])
        save_least(found[0], given.shrink_s)
    missing = [] if found or given.seed is not None else tame(totals.faults + totals.reached, totals.seeds)
    if totals.few and not found:
        missing.append(f"too tame: seeds below {ORDERS_MIN} orders or {FAULTS_MIN} faults: {totals.few[:12]}")
    for line in missing:
        print(line)
    sys.exit(int(bool(found or missing)))


def show(result: Result) -> None:
    """One run's end."""
    print(f"seed {result.seed}, digest {result.digest}: {result.violation or 'no violation'}")
    print("\n".join(result.trace))


def save_least(found: Result, seconds: float) -> None:
    """Make sure that it fails again, shrink it, save it, and say how to see it again."""
    again = run_seed(found.seed)
    same = (again.violation, again.digest) == (found.violation, found.digest)
    print(f"the same seed again: {'the same life' if same else 'ANOTHER LIFE, something is not deterministic'}")
    script = least(found, seconds=seconds)
    last = run_script(script)
    print(f"{len(found.script.happened)} happenings, of which these are enough:")
    print("".join(f"  {slot}: {what}\n" for slot, what in (script.kept or {}).items()), end="")
    path = FOUND / f"seed-{found.seed}.json"
    script.save(path, violation=last.violation, digest=last.digest)
    print(f"again: make simulate SCRIPT={path}")
