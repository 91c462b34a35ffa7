"""The mutants: a unified diff each, whose header says what it does and which invariant of the design it breaks."""

import re
from pathlib import Path

import attrs

PATCHES = Path(__file__).resolve().parent / "patches"
CONTROL = "control"
"""The one patch that changes a comment only: whatever "catches" it catches nothing."""

_FIELDS = ("Mutant", "Does", "Breaks", "Own test", "Simulation")


class BadHeader(ValueError):
    """A patch does not say what it should; the text names file and field."""


@attrs.frozen(kw_only=True)
class Mutant:
    """One patch. `own_test` is the test that was written for this very defect, or "none"; `simulation` says "sees it",
    or why it cannot.
    """

    name: str
    does: str
    breaks: str
    own_test: str
    simulation: str
    path: Path

    @property
    def is_control(self) -> bool:
        """True for the patch that must survive."""
        return self.name == CONTROL

    @property
    def simulated(self) -> bool:
        """True when the simulation must find it."""
        return self.simulation == "sees it"


def read(path: Path) -> Mutant:
    """The mutant in a patch file. Raises `BadHeader`."""
    header = path.read_text("utf-8").partition("\n\n")[0]
    told = dict(re.findall(r"^([A-Z][a-z]+(?: [a-z]+)?): (.+)$", header, re.MULTILINE))
    for field in _FIELDS:
        if field not in told:
            raise BadHeader(f"{path.name} has no line '{field}: …'")
    if told["Mutant"] != path.stem:
        raise BadHeader(f"{path.name} calls itself {told['Mutant']}")
    return Mutant(
        name=told["Mutant"],
        does=told["Does"],
        breaks=told["Breaks"],
        own_test=told["Own test"],
        simulation=told["Simulation"],
        path=path,
    )


def catalogue() -> dict[str, Mutant]:
    """All mutants by name, the control first."""
    found = [read(path) for path in sorted(PATCHES.glob("*.patch"))]
    return {each.name: each for each in sorted(found, key=lambda each: not each.is_control)}
