"""What happens to one seed's world, by slot: dice that no other slot disturbs, and a script of what did happen.

A slot is a place where something may happen: the 17th placement, the third act of the nemesis, a strategy's 40th timer.
Each slot has dice of its own, so that leaving one happening out leaves the others as they were, as far as the house lets
them. That makes a failing seed's script shrinkable.
"""

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs


@attrs.define
class Script:
    """One seed's happenings. `kept` None: whatever the dice say, and `happened` notes it; else exactly what is kept.

    `lasts` is how many steps each open-ended part of the story took, `note` what a saved script says about itself.
    """

    seed: int
    kept: Mapping[str, str] | None = None
    lasts: dict[str, int] = attrs.field(factory=dict)
    happened: dict[str, str] = attrs.field(factory=dict)
    note: dict[str, Any] = attrs.field(factory=dict)

    def dice(self, slot: str) -> random.Random:
        """The slot's own dice."""
        return random.Random(f"{self.seed}/{slot}")

    def happens(self, slot: str, drawn: str | None) -> str | None:
        """What happens in the slot, given what the dice say; None: nothing."""
        what = drawn if self.kept is None else self.kept.get(slot)
        if what is not None:
            self.happened[slot] = what
        return what

    def steps(self, part: str, limit: int, enough: Callable[[], bool]) -> "Steps":
        """Steps of an open-ended part: until there is enough, at most `limit`; replayed, as many as it took."""
        if self.kept is not None:
            return Steps(self, part, self.lasts.get(part, 0), lambda: False)
        self.lasts[part] = 0
        return Steps(self, part, limit, enough)

    def only(self, kept: Mapping[str, str]) -> "Script":
        """The same world with nothing but these happenings."""
        return Script(self.seed, dict(kept), dict(self.lasts))

    def replayed(self) -> "Script":
        """What happened, word by word."""
        return self.only(self.happened)

    # -- files ---------------------------------------------------------------------------

    def save(self, path: Path, **note: object) -> None:
        """Write it so that `load` reads it back and a person can."""
        path.parent.mkdir(parents=True, exist_ok=True)
        what = {"seed": self.seed, **note, "lasts": self.lasts, "happens": self.kept or self.happened}
        path.write_text(json.dumps(what, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Script":
        """Read what `save` wrote."""
        told = json.loads(path.read_text())
        note = {name: value for name, value in told.items() if name not in ("seed", "lasts", "happens")}
        return cls(told["seed"], told["happens"], told["lasts"], note=note)


class Steps:
    """Counts itself into the script."""

    def __init__(self, script: Script, part: str, limit: int, enough: Callable[[], bool]) -> None:
        self._script, self._part, self._enough = script, part, enough
        self._left = limit

    def __iter__(self) -> "Steps":
        return self

    def __next__(self) -> None:
        if self._left <= 0 or self._enough():
            raise StopIteration
        self._left -= 1
        if self._script.kept is None:
            self._script.lasts[self._part] += 1
