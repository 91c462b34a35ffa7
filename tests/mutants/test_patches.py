"""The mutants themselves are kept fit: each still applies to today's code and says what it breaks."""

import re

import pytest

from mutants.catalogue import CONTROL, PATCHES, Mutant, catalogue, read
from mutants.copies import ROOT, apply

MUTANTS = catalogue()
DEFECTS = [mutant for mutant in MUTANTS.values() if not mutant.is_control]


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=list(MUTANTS))
def test_a_patch_applies_to_the_code_as_it_is(mutant: Mutant) -> None:
    """Code moves; a mutant that no longer fits would prove nothing, so it is mended with the code it breaks."""
    assert apply(mutant.path, ROOT, only_check=True)


@pytest.mark.parametrize("mutant", DEFECTS, ids=[mutant.name for mutant in DEFECTS])
def test_a_defect_names_an_invariant_and_a_test_that_is_there(mutant: Mutant) -> None:
    """Its header names one of G1 to G18 and, if a test was written for it, one that stands in this checkout."""
    assert re.fullmatch(r"G([1-9]|1[0-8])", mutant.breaks)
    if mutant.own_test != "none":
        file, *names = mutant.own_test.split("::")
        text = (ROOT / file).read_text("utf-8")
        assert [name for name in names if not re.search(rf"(def|class) {name}\b", text)] == []
    assert mutant.simulated or mutant.simulation.startswith("cannot see it: ")


def test_there_are_enough_of_them_and_a_control() -> None:
    """At least 25 defects, 10 of them in code no test of their own guards, most of them visible to the simulation."""
    assert len(DEFECTS) >= 25
    assert sum(mutant.own_test == "none" for mutant in DEFECTS) >= 10
    assert sum(mutant.simulated for mutant in DEFECTS) >= 25


def test_the_control_changes_a_comment_only() -> None:
    """Every line it adds is a comment, and it takes none away."""
    changed = re.findall(r"^([+-])(?![+-]{2} )(.*)$", read(PATCHES / f"{CONTROL}.patch").path.read_text("utf-8"), re.MULTILINE)
    assert changed
    assert all(sign == "+" and text.lstrip().startswith("#") for sign, text in changed)


def test_defects_are_in_the_product_only() -> None:
    """A mutant changes what is shipped, never a test or the simulated exchange that judges it."""
    for mutant in MUTANTS.values():
        files = re.findall(r"^\+\+\+ b/(\S+)", mutant.path.read_text("utf-8"), re.MULTILINE)
        assert files
        assert all(name.startswith("realtrading/") and not name.startswith("realtrading/sim/") for name in files)
