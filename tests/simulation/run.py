"""The command: run seeds, print what they reached, and for the first violation its seed and its last messages."""

import argparse
import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

import attrs

from .breaks import BREAKS, broken
from .invariants import Violation
from .nemesis import FAULTS
from .world import FAULTS_MIN, ORDERS_MIN, World

RARE = (
    "absence proof", "adoption", "blocked: HOUSE_DUPLICATE", "discrepancy: fill_missed", "escalated", "external trade",
    "last look: BREAKER_GATE_MOVED", "last look: HOUSE_EXPIRED", "last look: HOUSE_FAULT", "late fill after cancel",
    "letter set aside", "overflow", "placement unknown", "position cut", "recovery killed", "recovery killed twice in a row",
    "revision of a terminal state", "cause: DRIFT", "cause: CLOCK", "cause: ERRORS",
)  # fmt: skip
"""Branches that ordinary runs do not reach."""


@attrs.frozen(kw_only=True)
class Result:
    """One seed's run. `violation` None: none."""

    seed: int
    violation: str | None
    trace: tuple[str, ...]
    digest: str
    letters: int
    virtual_s: float
    wall_s: float
    faults: Counter[str]
    evaluated: Counter[str]
    branches: Counter[str]


def run_seed(seed: int, break_name: str | None = None) -> Result:
    """Live one seed, the house broken in one way if a name is given."""
    logging.disable(logging.CRITICAL)
    began, world, violation = time.perf_counter(), None, None
    try:
        with broken(break_name):
            world = World(seed)
            world.run()
    except Violation as found:
        violation = str(found)
    except Exception as found:
        violation = f"broke: {type(found).__name__}: {found}"
        if world is None:
            raise
    finally:
        logging.disable(logging.NOTSET)
    assert world is not None
    return Result(
        seed=seed, violation=violation, trace=tuple(map(line_of, world.trace)) if violation else (),
        digest=world.digest.hexdigest(), letters=world.letters, virtual_s=world.loop.time() - 1000.0,
        wall_s=time.perf_counter() - began, faults=world.nemesis.done, evaluated=world.invariants.evaluated,
        branches=world.branches,
    )  # fmt: skip


def line_of(entry: tuple[float, str, Any, Any]) -> str:
    """One handled letter, short."""
    at, who, letters, answer = entry
    if not letters:
        return f"{at:10.3f} {who}"
    heard = ", ".join(brief(letter.message) for letter in letters[:6])
    said = ", ".join(brief(message) for message in list(answer)[:8])
    return f"{at:10.3f} {who:14} <- {heard}" + (f"\n{'':26}-> {said}" if said else "")


def brief(message: Any) -> str:
    """A message by its class and what it is about."""
    order = getattr(message, "order", None)
    if order is not None:
        words = f"{order.id} {order.state} {order.executed_quantity}/{order.original_quantity}"
    else:
        words = str(
            getattr(message, "id", None) or getattr(message, "token", None) or getattr(message, "detail", None)
            or getattr(message, "changed", None) or getattr(message, "asset", "")
        )  # fmt: skip
        report = getattr(message, "report", None)
        if report is not None:
            words += f" {report.client_id} {report.status} {report.executed_quantity} {[t.trade_id for t in report.trades]}"
    return f"{type(message).__name__}({words})"


def _one(given: tuple[int, str | None]) -> Result:
    return run_seed(*given)


def results(seeds: Iterable[int], break_name: str | None, jobs: int) -> Iterable[Result]:
    """The seeds' results, in order."""
    work = [(seed, break_name) for seed in seeds]
    if jobs <= 1:
        yield from map(_one, work)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(_one, work)


def main(arguments: list[str] | None = None) -> None:
    """Exit 0: no violation (with --break: one was found); 1 otherwise."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--seed", type=int, help="only this one, with its trace")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--break", dest="break_name", choices=sorted(BREAKS), help="run a house with this defect")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--keep-going", action="store_true", help="do not end at the first violation")
    given = parser.parse_args(arguments)
    seeds = [given.seed] if given.seed is not None else list(range(given.first, given.first + given.seeds))
    began, found, count = time.perf_counter(), [], 0
    totals = {name: Counter[str]() for name in ("faults", "evaluated", "branches")}
    virtual_s = letters = 0.0
    few: list[int] = []
    for result in results(seeds, given.break_name, given.jobs):
        count += 1
        for name, total in totals.items():
            total.update(getattr(result, name))
        virtual_s += result.virtual_s
        letters += result.letters
        if result.branches["orders"] < ORDERS_MIN or sum(result.faults.values()) < FAULTS_MIN:
            few.append(result.seed)
        if result.violation is not None:
            found.append(result)
            show(result, given.break_name, with_trace=len(found) == 1)
            if not given.keep_going:
                break
    wall_s = time.perf_counter() - began
    for name, total in totals.items():
        print(f"{name}: {sum(total.values())}")
        print("".join(f"  {what}: {times}\n" for what, times in sorted(total.items())), end="")
    print(
        f"{count} seeds, {len(found)} violations, {totals['branches']['orders']} orders, {letters:.0f} letters, "
        f"{virtual_s / 3600:.2f} simulated hours in {wall_s:.1f} s ({count / wall_s:.2f} seeds/s, "
        f"{virtual_s / 3600 / wall_s:.4f} h/s)"
    )
    missing = [] if found else tame(totals, count)
    if few and not found:
        print(f"{len(few)} seeds stayed below {ORDERS_MIN} orders or {FAULTS_MIN} faults: {few[:12]}")
    for line in missing:
        print(line)
    if missing and given.break_name is None:
        sys.exit(1)
    sys.exit(int(bool(found) != (given.break_name is not None)))


def tame(totals: dict[str, Counter[str]], seeds: int) -> list[str]:
    """What the nemesis reached too seldom to prove anything; nothing is demanded of a few seeds."""
    least = min(20, 20 * seeds // 2000)
    reached = totals["faults"] + totals["branches"]
    wanted = [*FAULTS, *RARE] if seeds >= 100 else []
    return [f"too tame: {name} {reached[name]} times, wanted {least}" for name in wanted if reached[name] < max(1, least)]


def show(result: Result, break_name: str | None, *, with_trace: bool) -> None:
    """A violation, and how to see it again."""
    print(f"seed {result.seed}: {result.violation}")
    if with_trace:
        print("\n".join(result.trace))
        again = f" --break {break_name}" if break_name else ""
        print(f"again: python -m simulation --seed {result.seed}{again}")
