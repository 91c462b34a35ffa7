"""The matrix as a table: what the marked tests claimed, evaluated and came to, row by row."""

import json
from collections.abc import Iterable, Iterator

import attrs

from matrix.evidence import INVARIANTS
from matrix.rows import ROWS, Row


@attrs.define
class TestRun:
    """One marked test: what it says about each row, what was evaluated in it, how it ended (collected only: "")."""

    __test__ = False  # no test class, whatever its name begins with

    id: str
    claims: dict[str, frozenset[str]]
    evaluated: frozenset[str] = frozenset()
    outcome: str = ""


@attrs.frozen
class Line:
    """One row of the table, judged."""

    row: Row
    tests: tuple[TestRun, ...]
    collected_only: bool = False

    @property
    def evaluated(self) -> frozenset[str]:
        """What its tests evaluated; before they ran, what they claim for this row."""
        if self.collected_only:
            return frozenset[str]().union(*(test.claims[self.row.id] for test in self.tests))
        return frozenset[str]().union(*(test.evaluated for test in self.tests if test.outcome == "passed"))

    @property
    def complaints(self) -> list[str]:
        """Why the row is red: nothing, when it is green or somebody else's."""
        if self.row.owner:
            return []
        if not self.tests:
            return ["no test"]
        failed = [] if self.collected_only else [f"{t.outcome} {t.id}" for t in self.tests if t.outcome != "passed"]
        missing = in_order(self.row.needs - self.evaluated)
        return failed + ([f"nothing evaluated {' '.join(missing)}"] if missing else [])

    @property
    def result(self) -> str:
        """One word, and for a red row why."""
        if self.row.owner:
            return f"later: {self.row.owner}"
        return "red: " + "; ".join(self.complaints) if self.complaints else "green"


def in_order(names: Iterable[str]) -> list[str]:
    """Invariants by their numbers."""
    return sorted(names, key=INVARIANTS.index)


def lines(tests: Iterable[TestRun], *, collected_only: bool = False) -> list[Line]:
    """Every row with its tests. Raises AssertionError for a test that names a row which does not exist."""
    known = {row.id for row in ROWS}
    found = list(tests)
    strangers = sorted({f"{row} ({test.id})" for test in found for row in test.claims if row not in known})
    assert not strangers, f"tests are marked for rows that do not exist: {', '.join(strangers)}"
    return [
        Line(row, tuple(test for test in found if row.id in test.claims), collected_only=collected_only) for row in ROWS
    ]


def as_markdown(table: Iterable[Line]) -> str:
    """The table for people: parametrized cases of one test are one line with their number."""
    return "\n".join(_markdown(list(table))) + "\n"


def _markdown(table: list[Line]) -> Iterator[str]:
    yield "| row | fault | tests | invariants evaluated | result |"
    yield "| --- | --- | --- | --- | --- |"
    for line in table:
        later = [f"{name}: {owner}" for name, owner in line.row.later.items()] if not line.row.owner else []
        evaluated = " ".join(in_order(line.evaluated)) + (f" ({', '.join(later)})" if later else "")
        yield f"| {line.row.id} | {line.row.fault} | {'<br>'.join(_named(line.tests))} | {evaluated} | {line.result} |"
    red = [line for line in table if line.complaints]
    owned = [line.row.id for line in table if line.row.owner]
    yield ""
    green = len(table) - len(red) - len(owned)
    yield f"{green} rows green, {len(red)} red, {len(owned)} owned by later work: {', '.join(owned)}"


def _named(tests: Iterable[TestRun]) -> list[str]:
    cases: dict[str, int] = {}
    for test in tests:
        name = test.id.partition("[")[0].removeprefix("tests/")
        cases[name] = cases.get(name, 0) + 1
    return [f"`{name}`" + (f" ×{count}" if count > 1 else "") for name, count in cases.items()]


def as_json(table: Iterable[Line]) -> str:
    """The same for programs, with every case by its whole name."""
    rows = [
        {
            "row": line.row.id,
            "fault": line.row.fault,
            "needs": in_order(line.row.needs),
            "evaluated": in_order(line.evaluated),
            "later": dict(line.row.later),
            "result": line.result,
            "tests": [
                {
                    "id": test.id,
                    "claims": in_order(test.claims[line.row.id]),
                    "evaluated": in_order(test.evaluated),
                    "outcome": test.outcome,
                }
                for test in line.tests
            ],
        }
        for line in table
    ]
    return json.dumps(rows, indent=1) + "\n"
