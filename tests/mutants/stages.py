"""What a mutant has to pass, cheapest first: unit tests, orders under random evidence, the simulation, the tests on sockets."""

import re
from collections.abc import Callable
from pathlib import Path

import attrs

from mutants.catalogue import Mutant
from mutants.copies import run_in

SEEDS = 200
UNITS = ("domain", "actors", "house/test_hands.py", "venue", "journal", "metrics", "runtime")
EVIDENCE = ("domain/test_order_machine.py",)
SOCKETS = ("house", "doors")
ELSEWHERE = (*EVIDENCE, "house/test_simulation.py")
"""Tests that have a stage for themselves, or are one."""
UNITS_LIMIT_S = 600.0
SOCKETS_LIMIT_S = 1_800.0
SEEDS_LIMIT_S = 900.0


@attrs.frozen
class Stage:
    """`run` returns what caught the mutant in its copy, or None."""

    name: str
    run: Callable[[Path, Mutant], str | None]


def loads(tree: Path) -> bool:
    """Whether the patched package is imported from the copy at all: a defect must be one of behaviour."""
    program = "import realtrading, realtrading.engine, realtrading.doors.cli; print(realtrading.__file__)"
    done = run_in(tree, ["-c", program], limit_s=60.0)
    return done.status == 0 and done.out.startswith(str(tree))


def tests_of(tree: Path, names: tuple[str, ...], limit_s: float, *selected: str) -> str | None:
    """The first test that fails, by its id."""
    paths = [f"tests/{name}" for name in names if (tree / "tests" / name).exists()]
    without = [f"--deselect=tests/{name}" for name in ELSEWHERE if name not in names]
    done = run_in(tree, ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *selected, *without, *paths], limit_s=limit_s)
    if done.status == 0:
        return None
    failed = re.search(r"^(?:FAILED|ERROR) tests/(.+?)(?: - .*)?$", done.out, re.MULTILINE)
    return failed[1] if failed else f"the tests {'hung' if done.status is None else 'died'} in {', '.join(names)}"


def seeds_of(tree: Path, count: int = SEEDS) -> str | None:
    """The first seed that finds a violation, and which."""
    done = run_in(tree, ["-m", "mutants.seeds", "1", str(count)], limit_s=SEEDS_LIMIT_S)
    if done.status == 0:
        return None
    found = re.search(r"^found (\d+): (.*)", done.out, re.MULTILINE)
    if found:
        return f"seed {found[1]}: {found[2][:80]}"
    begun = re.findall(r"^seed (\d+)$", done.out, re.MULTILINE)
    return f"seed {begun[-1] if begun else 1}: the simulation came to no end"


def nearest_first(mutant: Mutant) -> tuple[str, ...]:
    """The unit tests, those of the rooms that the mutant changes before the others."""
    rooms = set(re.findall(r"^\+\+\+ b/realtrading/(\w+)/", mutant.path.read_text("utf-8"), re.MULTILINE))
    return tuple(sorted(UNITS, key=lambda name: name not in rooms))


STAGES = (
    Stage("units", lambda tree, mutant: tests_of(tree, nearest_first(mutant), UNITS_LIMIT_S)),
    Stage("evidence", lambda tree, mutant: tests_of(tree, EVIDENCE, UNITS_LIMIT_S)),
    Stage("simulation", lambda tree, mutant: seeds_of(tree)),
    Stage("sockets", lambda tree, mutant: tests_of(tree, SOCKETS, SOCKETS_LIMIT_S, "-m", "not slow")),
)
