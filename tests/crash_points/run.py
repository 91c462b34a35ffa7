"""`python -m crash_points`: counts every call of every scenario, kills at each, judges, and prints a table."""

import argparse
import gc
import itertools
import json
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from crash_points.points import Kill, Outcome, Point, counted, play
from crash_points.power import play_power_loss
from crash_points.scenarios import BY_NAME, SCENARIOS
from crash_points.stage import die_with_parent, new_server
from crash_points.tracing import DISK, Trace, strace
from realtrading.sim.server import SimServer

LEAST = 500
"""Kills that a whole enumeration must reach."""
SLOTS_PER_JOB = 5
"""A point mostly waits: for the exchange, and up to 23 s until an order that was never sent is proved to be absent."""
TRIES = 3
DEPTH = 5
EXIT_VIOLATION = 1
EXIT_USAGE = 2
Counts = dict[tuple[str, str], Trace]

_server: SimServer


def _count(which: tuple[str, str]) -> tuple[tuple[str, str], Trace]:
    return which, counted(_server, *which)


def _play(point: Point) -> tuple[Outcome, int]:
    """The outcome and how often it was played: once more when a kill did not come, or when a loaded machine was too slow
    for the scenario itself; never to be rid of a violation."""
    outcome, played = play(_server, point), 1
    while played < TRIES and not (outcome.played and (outcome.wrong or outcome.hit == len(point.kills))):
        outcome, played = play(_server, point), played + 1
    return outcome, played


def _lose_power(which: tuple[str, int, int]) -> tuple[int, list[str]]:
    return play_power_loss(_server, *which)


def every_point(counts: Counts) -> list[Point]:
    """One point per call that was counted."""
    return [
        Point(scenario, ((role, call, number),))
        for (scenario, role), trace in counts.items()
        for call, count in sorted(trace.counts().items())
        for number in range(1, count + 1)
    ]


def chains(counts: Counts, points: Sequence[Point], how_many: int, dice: random.Random) -> list[Point]:
    """Points followed by five kills of the recovery, each drawn from the recovery's own calls."""
    recovery: list[Kill] = [point.kills[0] for point in every_point(counts) if point.scenario == "recovery"]
    first = [point for point in points if point.scenario != "first-start"]
    if not recovery or not first:
        return []
    return [attrs.evolve(point, kills=(*point.kills, *dice.sample(recovery, DEPTH))) for point in dice.sample(first, how_many)]


def sampled(counts: Counts, points: Iterable[Point], how_many: int, dice: random.Random) -> list[Point]:
    """So many points, as evenly as can be over threads and kinds of calls; those that carry an order are a kind."""
    kinds: dict[tuple[str, str, bool], list[Point]] = {}
    for point in points:
        role, call, number = point.kills[0]
        carries = (call, number) in counts[point.scenario, role].order_carrying()
        kinds.setdefault((role, call, carries), []).append(point)
    for group in kinds.values():
        dice.shuffle(group)
    dealt = itertools.chain.from_iterable(itertools.zip_longest(*kinds.values()))
    return list(itertools.islice((point for point in dealt if point is not None), how_many))


@attrs.define
class Tally:
    """What came of all points."""

    killed: Counter[tuple[str, str, str]] = attrs.field(factory=Counter)
    missed: Counter[tuple[str, str, str]] = attrs.field(factory=Counter)
    kinds: Counter[str] = attrs.field(factory=Counter)
    deep: Counter[int] = attrs.field(factory=Counter)
    images: int = 0
    replayed: int = 0
    never_sent: int = 0
    wrong: list[str] = attrs.field(factory=list)

    def add(self, outcome: Outcome, played: int, carrying: set[tuple[str, int]]) -> list[str]:
        """One point's outcome; its violations."""
        point = outcome.point
        role, call, number = point.kills[0]
        (self.killed if outcome.hit else self.missed)[point.scenario, role, call] += 1
        if outcome.hit and call in DISK:
            self.kinds["journal"] += 1
        elif outcome.hit:
            self.kinds["orders" if (call, number) in carrying else "sends" if call.startswith("send") else "reads"] += 1
        if len(point.kills) > 1:
            self.deep[outcome.hit] += 1
        self.replayed += played - 1
        self.never_sent += outcome.never_sent
        return self._note([f"{point}: {text}" for text in outcome.wrong])

    def add_images(self, images: int, wrong: list[str]) -> list[str]:
        """What one scenario's power losses came to."""
        self.images += images
        return self._note(wrong)

    def _note(self, wrong: list[str]) -> list[str]:
        self.wrong += wrong
        return wrong


def report(counts: Counts, tally: Tally, seconds: float) -> dict[str, Any]:
    """The result in JSON's terms."""
    rows = [
        {"scenario": scenario, "thread": role, "call": call, "calls": count,
         "killed": tally.killed[scenario, role, call], "missed": tally.missed[scenario, role, call]}
        for (scenario, role), trace in counts.items() for call, count in sorted(trace.counts().items())
    ]  # fmt: skip
    return {
        "points": sum(tally.killed.values()), "missed": sum(tally.missed.values()), "replayed": tally.replayed,
        "journal_writes_and_syncs": tally.kinds["journal"], "order_carrying_socket_writes": tally.kinds["orders"],
        "other_socket_writes": tally.kinds["sends"], "socket_reads": tally.kinds["reads"],
        "recoveries_killed": {str(hits - 1): chains for hits, chains in sorted(tally.deep.items())},
        "never_sent": tally.never_sent, "power_loss_images": tally.images,
        "violations": len(tally.wrong), "seconds": round(seconds, 1), "rows": rows,
    }  # fmt: skip


def table(result: dict[str, Any]) -> Iterable[str]:
    """The result as a person reads it."""
    yield f"{'scenario':17}{'thread':9}{'call':11}{'calls':>6}{'killed':>8}{'missed':>8}"
    for row in result["rows"]:
        yield f"{row['scenario']:17}{row['thread']:9}{row['call']:11}{row['calls']:6}{row['killed']:8}{row['missed']:8}"
    yield (
        f"{result['points']} points: {result['journal_writes_and_syncs']} journal writes and syncs, "
        f"{result['order_carrying_socket_writes']} order-carrying socket writes, {result['other_socket_writes']} other socket "
        f"writes, {result['socket_reads']} socket reads"
    )
    deep = ", ".join(f"{chains} {kills} deep" for kills, chains in result["recoveries_killed"].items()) or "none"
    yield f"recoveries killed: {deep} · {result['missed']} missed · {result['replayed']} replayed"
    yield f"orders recorded and never sent: {result['never_sent']} · disks after a power loss: {result['power_loss_images']}"
    yield f"{result['violations']} violations in {result['seconds']} s"


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="crash_points", description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="only so many points, by seed (0: all)")
    parser.add_argument("--deep", type=int, default=20, help="chains of kills of the recovery after a first kill")
    parser.add_argument("--images", type=int, default=630, help="disks after a power loss, over all scenarios")
    parser.add_argument("--scenario", action="append", choices=sorted(BY_NAME), help="only this one (repeatable)")
    parser.add_argument("--point", action="append", default=[], help="only this point, as a violation prints it (repeatable)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="cores to use")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(given)


def chosen(options: argparse.Namespace, counts: Counts) -> list[Point]:
    """The points to play."""
    if options.point:
        return [Point.parse(text) for text in options.point]
    dice = random.Random(options.seed)
    points = every_point(counts)
    deep = chains(counts, points, min(options.deep, len(points)), dice)
    if options.sample:
        points = sampled(counts, points, options.sample, dice)
    # by scenario they would all wait for the same thing at the same moment
    dice.shuffle(points)
    return [*deep, *points]


def tell(wrong: Iterable[str]) -> None:
    """Violations as soon as they are found."""
    for text in wrong:
        print(f"VIOLATION {text}", file=sys.stderr, flush=True)


def main(given: Sequence[str] | None = None) -> None:
    """Exits 1 on a violation, or when a whole enumeration is smaller than it must be."""
    global _server
    options = arguments(given)
    if strace() is None:
        print("crash_points: there is no strace (`make tools`)", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    began = time.monotonic()
    _server = new_server()
    gc.freeze()
    tally = Tally()
    scenarios = [scenario for scenario in SCENARIOS if not options.scenario or scenario.name in options.scenario]
    pairs = [(scenario.name, role) for scenario in scenarios for role in scenario.roles] if not options.point else []
    share = options.images // len(scenarios) if not options.point else 0
    losses = [(scenario.name, share, options.seed) for scenario in scenarios if share]
    with multiprocessing.get_context("fork").Pool(options.jobs * SLOTS_PER_JOB, die_with_parent) as pool:
        counts = dict(pool.imap(_count, pairs))
        carrying = {pair: trace.order_carrying() for pair, trace in counts.items()}
        power = pool.imap_unordered(_lose_power, losses)
        for outcome, played in pool.imap_unordered(_play, chosen(options, counts)):
            pair = (outcome.point.scenario, outcome.point.kills[0][0])
            tell(tally.add(outcome, played, carrying.get(pair, set())))
        for images, wrong in power:
            tell(tally.add_images(images, wrong))
    result = report(counts, tally, time.monotonic() - began)
    print(json.dumps(result) if options.json else "\n".join(table(result)))
    whole = not (options.sample or options.scenario or options.point)
    sys.exit(EXIT_VIOLATION if tally.wrong or (whole and result["points"] <= LEAST) else 0)
