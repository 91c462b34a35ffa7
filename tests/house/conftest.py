"""Fixtures of the house tests: one simulator per file, engines that are always stopped."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from house.kit import Ear, Judge, engine_for, settings_for
from processes import Processes
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput


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
