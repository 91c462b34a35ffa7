"""The matrix watches itself: every row has its tests, and a row is red for each way of not being covered."""

import subprocess
import sys
from pathlib import Path

import pytest

from matrix.evidence import INVARIANTS, begin, evaluated, judged
from matrix.rows import ROWS, Row, here
from matrix.table import Line, TestRun, as_markdown, lines

FOLDER = Path(__file__).resolve().parents[1]


def test_every_row_has_tests_that_claim_what_it_needs() -> None:
    """Collecting alone shows it: no row that is not owned by later work is without a test for each of its invariants."""
    run = subprocess.run([sys.executable, "-m", "matrix", "--collect"], cwd=FOLDER, capture_output=True, text=True, timeout=60)

    assert [] == [line for line in run.stdout.splitlines() if "| red" in line]
    assert 0 == run.returncode, run.stderr[-2000:]


def test_the_rows_are_those_of_the_design() -> None:
    """Groups A, B, C, D and F with their 74 rows; five of them are owned by later work."""
    assert 74 == len({row.id for row in ROWS}) == len(ROWS)
    assert {"A": 11, "B": 19, "C": 18, "D": 14, "F": 12} == {
        group: sum(row.id.startswith(group) for row in ROWS) for group in "ABCDF"
    }
    assert ["B17", "F7", "F8", "F9", "F11"] == [row.id for row in ROWS if row.owner]
    assert all(row.needs and row.needs <= set(INVARIANTS) for row in here())


ROW = Row("X1", "something breaks", frozenset({"G1", "G3"}))


def a_test(outcome: str = "passed", *done: str) -> TestRun:
    return TestRun("tests/t.py::test_t", {"X1": frozenset(done)}, frozenset(done), outcome)


@pytest.mark.parametrize(("tests", "result"), [
    ((), "red: no test"),
    ((a_test("passed", "G1", "G3"),), "green"),
    ((a_test("passed", "G1"), a_test("passed", "G3")), "green"),
    ((a_test("passed", "G1"),), "red: nothing evaluated G3"),
    ((a_test("failed", "G1", "G3"),), "red: failed tests/t.py::test_t; nothing evaluated G1 G3"),
    ((a_test("passed", "G1", "G3"), a_test("skipped")), "red: skipped tests/t.py::test_t"),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_a_row_is_green_only_when_all_passed_and_all_was_evaluated(tests: tuple[TestRun, ...], result: str) -> None:
    """No test, a failing one, a skipped one, an invariant that nothing evaluated: each makes the row red and says so."""
    assert result == Line(ROW, tests).result


def test_a_row_of_later_work_is_named_with_its_owner() -> None:
    """It is in the table, not red, and says who will test it."""
    line = Line(Row("X2", "later", frozenset({"G9"}), owner="issue 4"), ())

    assert ["later: issue 4", []] == [line.result, line.complaints]
    assert "| X2 | later |  |  | later: issue 4 |" in as_markdown([line])


def test_a_mark_for_a_row_that_does_not_exist_is_refused() -> None:
    """A misspelt row would otherwise cover nothing in silence."""
    with pytest.raises(AssertionError, match="C99"):
        lines([TestRun("tests/t.py::test_t", {"C99": frozenset()})])


def test_only_what_was_judged_to_the_end_counts() -> None:
    """A block that fails has evaluated nothing, and only real invariants can be evaluated."""
    begin()
    with pytest.raises(ZeroDivisionError):
        with judged("G3"):
            raise ZeroDivisionError
    with judged("G2", "G1"):
        assert ("G1", "G2") > evaluated()
    with pytest.raises(AssertionError, match="G77"):
        with judged("G77"):
            pass

    assert ("G1", "G2") == evaluated()


def test_a_test_that_claims_what_nothing_evaluated_fails(tmp_path: Path) -> None:
    """The mark alone is worth nothing: the ordinary run fails such a test, and the table calls its row red."""
    hooks = "from matrix.collector import pytest_runtest_call, pytest_runtest_setup\n"
    (tmp_path / "conftest.py").write_text(f"import sys\nsys.path.insert(0, {str(FOLDER)!r})\n{hooks}")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = matrix(row, invariants): a row\n")
    (tmp_path / "test_claims.py").write_text(
        "import pytest\nfrom matrix.evidence import judged\n"
        '@pytest.mark.matrix("C1", invariants="G1")\ndef test_liar():\n    assert True\n'
        '@pytest.mark.matrix("C2", invariants="G1")\ndef test_judge():\n    with judged("G1"):\n        assert True\n'
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert "1 failed, 1 passed" in run.stdout
    assert "claims G1, and nothing evaluated G1" in run.stdout
