"""A sample of the deterministic simulation: no violation, planted defects found, failures shrunk, same seed, same life."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.faults import FAULTS
from simulation.reached import LEAST, OF_SEEDS, RARE, tame
from simulation.run import least, run_script, run_seed
from simulation.script import Script
from simulation.shrink import shrunk
from simulation.world import FAULTS_MIN, ORDERS_MIN

TESTS = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((TESTS / "simulation" / "scripts").glob("*.json"))
SAMPLE = 30
"""Seeds on each CPython; CI lives ten times as many on one (`make simulate SEEDS=300`)."""


def test_no_seed_of_the_sample_finds_a_violation() -> None:
    """Faults of every kind at once, judged from the exchange's ledger of truth: none of these lives breaks an invariant."""
    results = [run_seed(seed) for seed in range(1, SAMPLE + 1)]
    found = {result.seed: (result.violation, result.trace[-20:]) for result in results if result.violation}
    assert not found
    assert all(result.evaluated["G3/G4/G13 convergence"] for result in results)
    assert {result.seed: sum(result.faults.values()) for result in results if sum(result.faults.values()) < FAULTS_MIN} == {}
    assert {result.seed: result.reached["orders"] for result in results if result.reached["orders"] < ORDERS_MIN} == {}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_that_once_found_a_bug_stays_clean(path: Path) -> None:
    """Each file is the least that was needed to break an invariant, named after what was wrong."""
    result = run_script(Script.load(path))
    assert (result.violation, result.trace) == (None, ())


def test_the_same_seed_lives_the_same_life() -> None:
    """Every letter at every moment is the same again, in a process with other hashes too, and so is its script's replay."""
    program = "from simulation.run import run_seed; r = run_seed(7); print(r.letters, r.digest)"
    lives = []
    for hashing in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": hashing, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=100, check=True
        )
        lives.append(done.stdout.split())
    here = run_seed(7)
    replayed = run_script(here.script.replayed())
    assert lives[0] == lives[1] == [str(here.letters), here.digest] == [str(replayed.letters), replayed.digest]
    assert here.letters > 1_000


@pytest.mark.parametrize(
    ("defect", "invariant"),
    [("placed-before-recorded", "G2"), ("no-hold", "G5"), ("resend-on-timeout", "G1"), ("late-report-takes-back", "G6")],
)
def test_a_planted_defect_is_found(defect: str, invariant: str) -> None:
    """The first few seeds find it by the invariant it breaks, and the same seed finds it again."""
    first = next(found for found in (run_seed(seed, defect) for seed in range(1, 20)) if found.violation)
    assert first.violation is not None
    assert first.violation.startswith(invariant)
    again = run_seed(first.seed, defect)
    assert (again.violation, again.digest) == (first.violation, first.digest)


def test_a_violation_is_shrunk_to_the_script_of_what_it_needs(tmp_path: Path) -> None:
    """What is left breaks the same invariant, is far less than what happened, and survives being saved and loaded."""
    lives = (run_seed(seed, "resend-on-timeout") for seed in range(1, 20))
    found = next(life for life in lives if life.violation and len(life.script.happened) > 40)
    script = least(found, "resend-on-timeout", seconds=30)
    script.save(tmp_path / "least.json", violation=found.violation)
    again = run_script(Script.load(tmp_path / "least.json"), "resend-on-timeout")
    assert again.invariant == found.invariant
    assert 2 <= len(script.kept or ()) < len(found.script.happened) / 2


def test_shrinking_leaves_what_cannot_be_left_out() -> None:
    """Two happenings out of forty that fail only together are found."""
    happened = {f"act {number}": "kill" for number in range(40)}
    assert shrunk(happened, lambda kept: {"act 3", "act 31"} <= kept.keys(), seconds=5) == {"act 3": "kill", "act 31": "kill"}


def test_a_tame_nemesis_is_told() -> None:
    """Over all seeds each fault and rare branch must come often enough; the floor falls with the seeds."""
    often = dict.fromkeys((*FAULTS, *RARE), LEAST)
    assert tame(often, OF_SEEDS) == []
    assert tame({**often, "absence proof": LEAST - 1}, OF_SEEDS) == ["too tame: absence proof 19 times, wanted 20"]
    assert tame(dict.fromkeys(often, LEAST // 4), OF_SEEDS // 4) == []
    assert {line.split()[2] for line in tame({}, 400)} == set(FAULTS)
    assert tame({}, 99) == []
