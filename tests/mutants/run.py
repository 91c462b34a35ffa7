"""The command: put each mutant into a copy of its own, see what catches it, and print the kill table."""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import attrs

from mutants.catalogue import Mutant, catalogue
from mutants.copies import DoesNotApply, copied
from mutants.stages import SEEDS, STAGES, loads, seeds_of

EXIT_ARGUMENTS = 2


@attrs.frozen(kw_only=True)
class Fate:
    """What became of one mutant. `caught_by` None: it survived every stage. `fault`: it could not be judged."""

    mutant: Mutant
    caught_by: str | None = None
    fault: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Killed; the control: alive."""
        return not self.fault and (self.caught_by is None) == self.mutant.is_control


def judge(mutant: Mutant) -> Fate:
    """Apply the mutant to a copy and run the stages until one catches it."""
    began = time.monotonic()
    caught = None
    try:
        with copied(mutant.path) as tree:
            if not loads(tree):
                return Fate(mutant=mutant, fault="the patched package cannot be imported")
            for stage in STAGES:
                if stage.name == "simulation" and not (mutant.simulated or mutant.is_control):
                    continue
                caught = stage.run(tree, mutant)
                if caught is not None:
                    break
    except DoesNotApply as refused:
        return Fate(mutant=mutant, fault=str(refused))
    return Fate(mutant=mutant, caught_by=caught, seconds=time.monotonic() - began)


def line(fate: Fate) -> str:
    """A row of the kill table."""
    mutant = fate.mutant
    if fate.fault:
        what = f"NOT JUDGED: {fate.fault}"
    elif fate.caught_by is None:
        what = "alive, as it must be" if mutant.is_control else "SURVIVED"
    else:
        what = ("CAUGHT, though it changes nothing: " if mutant.is_control else "") + fate.caught_by
    return f"{mutant.name:28} {mutant.breaks:5} {what}  {fate.seconds:.0f} s"


def simulate(mutant: Mutant, seeds: int) -> int:
    """Run the simulation alone with this mutant: 0 when it finds a violation."""
    if not mutant.simulated:
        print(f"{mutant.name}: the simulation {mutant.simulation}; `make mutants ONLY={mutant.name}` shows what catches it")
        return EXIT_ARGUMENTS
    with copied(mutant.path) as tree:
        found = seeds_of(tree, seeds)
    print(f"{mutant.name}: {mutant.does}\n{found or f'no violation in {seeds} seeds'}")
    return int(found is None)


def main() -> None:
    """Exit 0: every mutant was caught and the control was not; 1: one was not, or a patch does not apply."""
    known = catalogue()
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=sorted(known), default=list(known), metavar="NAME")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--simulate", choices=sorted(known), metavar="NAME", help="only the simulation, with this mutant")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds for --simulate")
    parser.add_argument("--table", type=Path, help="write the table to this file too")
    given = parser.parse_args()
    if given.simulate:
        sys.exit(simulate(known[given.simulate], given.seeds))
    began = time.monotonic()
    fates = []
    with ThreadPoolExecutor(given.jobs) as pool:
        # the control has all stages to pass, so it begins first and ends last
        for done in as_completed([pool.submit(judge, known[name]) for name in known if name in given.only]):
            fates.append(done.result())
            print(line(fates[-1]), flush=True)
    caught = sum(fate.good and not fate.mutant.is_control for fate in fates)
    told = f"{caught} of {sum(not fate.mutant.is_control for fate in fates)} mutants caught in {time.monotonic() - began:.0f} s"
    print(told)
    if given.table:
        given.table.write_text("\n".join([*map(line, fates), told, ""]), "utf-8")
    sys.exit(int(not all(fate.good for fate in fates)))
