"""Three faults at once, whose ends come in any order: the whole house in virtual time, judged from the exchange's ledger."""

import random

import pytest

from matrix.evidence import INVARIANTS, judged
from simulation.faults import ACTS
from simulation.run import Result, run_script, run_seed
from simulation.script import Script

BASES = (7, 11, 19)
"""Seeds whose orders are used; what their own nemesis did is left out."""

LASTING = ("mute", "no_connections", "ban", "hang", "slow_actor", "stall", "slow_fsync", "clock", "query_lag", "disk_full")
"""Acts with an end of their own, a while later: which of them heals first is up to their dice."""

SUDDEN = tuple(act for act in ACTS if act not in LASTING)


def three(dice: random.Random) -> list[str]:
    """Two that last and one that strikes meanwhile, in any order."""
    chosen = [*dice.sample(LASTING, 2), dice.choice(SUDDEN)]
    dice.shuffle(chosen)
    return chosen


def combined(base: Script, faults: list[str], first: int) -> Script:
    """The orders of this life, and these faults one right after the other, at the earliest at the nemesis' `first` chance."""
    orders = {slot: what for slot, what in base.happened.items() if what == "order"}
    return base.only({**orders, **{f"act {first + number}": fault for number, fault in enumerate(faults)}})


def evaluated(results: list[Result]) -> list[str]:
    """Invariants that each of these runs evaluated."""
    names = [{part for key in result.evaluated for part in key.split()[0].split("/")} for result in results]
    return [name for name in INVARIANTS if all(name in each for each in names)]


@pytest.mark.matrix("F12", invariants="G1 G2 G3 G4 G5 G6 G7 G10 G13 G16")
@pytest.mark.parametrize("seed", BASES)
def test_three_faults_at_once_break_nothing(seed: int) -> None:
    """Two combinations per life: no violation, and three faults or more happened."""
    dice = random.Random(seed)
    base = run_seed(seed).script
    combinations = [three(dice) for _ in range(2)]
    results = [run_script(combined(base, faults, dice.randint(2, 4))) for faults in combinations]
    found = {tuple(faults): result.violation for faults, result in zip(combinations, results, strict=True)}
    assert set(found.values()) == {None}, found
    assert sum(sum(result.faults.values()) >= 3 for result in results) >= 1, [dict(result.faults) for result in results]
    with judged(*evaluated(results)):
        assert all(result.reached["orders"] for result in results)
