"""Fixtures of the house tests: one simulator per file, engines that are always stopped."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from house.fault_kit import Stands, quick_ticks, stands
from house.kit import WIDE, Ear, Judge, engine_for, settings_for
from processes import Processes
from realtrading import assembly
from realtrading.domain.limits import RealTradingConfig
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput
from realtrading.topology import ACTORS, STRATEGY

HANG_S = 0.5


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """One simulator for the tests of a file; its market moves only when told."""
    started = Processes(tmp_path_factory.mktemp("judge"))
    try:
        yield Judge(started)
    finally:
        problems = started.end_all()
    assert not problems, "\n".join(problems)


Engines = Callable[..., RealTradingEngine]


@pytest.fixture
def engines(judge: Judge, tmp_path: Path) -> Iterator[Engines]:
    """Makes engines at the file's simulator; each has an `ear` and is stopped at the end."""
    made: list[RealTradingEngine] = []

    def make(*, on_fatal: Any = None, at: Judge | None = None, **given: Any) -> RealTradingEngine:
        if not made:  # what an earlier test took out of the book is there again
            (at or judge).call("step", trades=20)
        engine = engine_for(settings_for(at or judge, tmp_path, **given), on_fatal=on_fatal)
        engine.ear = Ear()  # type: ignore[attr-defined]
        engine.subscribe(engine.ear)  # type: ignore[attr-defined]
        made.append(engine)
        return engine

    yield make
    left = []
    for engine in made:
        try:
            if not engine.stop(10):
                left.append(engine.failure)
        except BadInput:
            continue  # it never started
    assert not left, f"threads are left: {left}"


@pytest.fixture
def stand_at(judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stands]:
    """Makes running engines at the file's simulator, which scripted faults then befall."""
    quick_ticks(monkeypatch, reconciliation=0.05)
    with stands(judge, tmp_path) as make:
        yield make


@pytest.fixture
def wide() -> RealTradingConfig:
    """Limits that never speak."""
    return WIDE


@pytest.fixture
def hang_soon(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A hang of this one actor is judged after half a second instead of its own limit."""

    def shorten(name: str) -> None:
        rows = tuple(attrs.evolve(row, hang_s=HANG_S) if row.name == name else row for row in ACTORS)
        monkeypatch.setattr(assembly, "ACTORS", rows)
        if name.startswith("strategy:"):
            monkeypatch.setattr(assembly, "STRATEGY", attrs.evolve(STRATEGY, hang_s=HANG_S))

    return shorten
