"""One crash point: play the scenario up to the N-th call of a thread, kill, start again, judge. And how to count them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import attrs

from crash_points.judging import Promises, intents, wrong_on_disk
from crash_points.scenarios import BY_NAME, Scenario, last_life, prepared_life, watched_life
from crash_points.stage import Child, ForkedJudge
from crash_points.tracing import Trace, Tracer
from realtrading.sim.server import SimServer

Kill = tuple[str, str, int]
"""(role of the thread, call, its number)."""


@attrs.frozen
class Point:
    """In which scenario, and the kills: the first in the scenario, further ones in the recoveries that follow."""

    scenario: str
    kills: tuple[Kill, ...]

    def __str__(self) -> str:
        return " ".join([self.scenario, *(f"{role}:{call}:{number}" for role, call, number in self.kills)])

    @classmethod
    def parse(cls, text: str) -> Point:
        """The point that prints as `text`. Raises ValueError."""
        scenario, *kills = text.split()
        parts = [kill.split(":") for kill in kills]
        return cls(scenario, tuple((role, call, int(number)) for role, call, number in parts))


@attrs.frozen
class Outcome:
    """`played`: nothing but a kill ended the scenario. `hit`: how many of the kills came; `fatal`: the calls that never
    happened; `wrong`: violations."""

    point: Point
    played: bool
    hit: int
    fatal: tuple[str, ...]
    wrong: tuple[str, ...]
    never_sent: int
    trace: Trace


class Ground:
    """A fresh exchange and an empty folder; what is played here is judged once."""

    def __init__(self, server: SimServer, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "output.txt"
        self.judge = ForkedJudge(server, folder / "simulator.txt")
        self.journal = folder / "journal.db"
        self.promises = Promises()
        self.never_sent: set[str] = set()
        self.words = ""

    def prepare(self, scenario: Scenario) -> None:
        """The life before the one that is looked at, if the scenario has one."""
        if scenario.from_start:
            child = Child(prepared_life(scenario, self.judge, self.folder), self.log)
            assert self.hear(child), f"the preparation failed: {self.words}"
            self.end(child)
            scenario.between(self.judge)

    def live(self, scenario: Scenario, role: str, kill: tuple[str, int] | None) -> Trace:
        """One life, killed at the latest when it has played its part."""
        inject = f"{kill[0]}:signal=KILL:when={kill[1]}" if kill else ""
        child = Child(watched_life(scenario, self.judge, self.folder, role), self.log)
        try:
            tracer = Tracer(self._thread(child), role, self.folder / "trace.txt", inject)
            child.go()
            self.hear(child)
        finally:
            self.end(child)
        trace = tracer.finish()
        assert trace.fatal or not self.words, self.words
        return trace

    def _thread(self, child: Child) -> int:
        """The number of the thread to look at."""
        while (line := child.next()) is not None:
            self.promises.hear(line)
            if "tid" in line:
                return int(line["tid"])
            assert "broken" not in line, line["broken"]
        raise AssertionError("it ended before anybody looked")

    def hear(self, child: Child) -> bool:
        """Listen until it is done (True) or dead."""
        self.words = ""
        while (line := child.next()) is not None:
            self.promises.hear(line)
            if line.get("done"):
                return True
            self.words = line.get("broken", self.words)
        return False

    def end(self, child: Child) -> None:
        """Kill it, and note what it recorded and never sent."""
        child.end()
        self.judge.quiet()
        self.never_sent |= intents(self.journal) - set(self.judge.places())

    def settle(self) -> list[str]:
        """Start once more with nobody looking; every violation."""
        self.judge.heal()
        child = Child(last_life(self.judge, self.folder), self.log)
        wrong: list[str] = []
        said: set[str] = set()
        while (line := child.next()) is not None:
            said |= set(line)
            wrong += line.get("wrong", [])
            wrong += [f"the last life failed: {line['broken']}"] if "broken" in line else []
            wrong += ["threads were left at the end"] if line.get("stopped") is False else []
        child.wait()
        if not {"wrong", "stopped"} <= said and not wrong:
            wrong.append("the last life ended without a word")
        internal = self.judge.call("state")["internal_errors"]
        return [*wrong, *wrong_on_disk(self.journal, self.judge, self.promises, self.never_sent), *internal]

    def close(self) -> None:
        """End the exchange."""
        self.judge.child.end()


def play(server: SimServer, point: Point) -> Outcome:
    """Play one point and judge it; no kills: play the scenario to its end."""
    folder = Path(tempfile.mkdtemp(prefix="crash-point-"))
    ground = Ground(server, folder)
    played, hit, fatal, trace = True, 0, [], Trace(())
    try:
        scenario = BY_NAME[point.scenario]
        ground.prepare(scenario)
        for depth, (role, call, number) in enumerate(point.kills):
            if depth == 1 and not scenario.from_start:
                scenario = BY_NAME["recovery"]
            trace = ground.live(scenario, role, (call, number) if number else None)
            hit += bool(trace.fatal)
            fatal.append(trace.fatal)
        wrong = ground.settle()
    except AssertionError as failure:
        played, wrong = False, [f"not played: {failure}"]
    finally:
        ground.close()
    if not wrong:
        shutil.rmtree(folder)
    kept = [f"{text} (kept in {folder})" for text in wrong]
    return Outcome(point, played, hit, tuple(fatal), tuple(kept), len(ground.never_sent), trace)


def counted(server: SimServer, scenario: str, role: str) -> Trace:
    """What a thread calls when the scenario is played to its end with nobody killed."""
    outcome = play(server, Point(scenario, ((role, "", 0),)))
    assert not outcome.wrong, outcome.wrong
    return outcome.trace
