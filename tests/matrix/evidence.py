"""What the test under way has evaluated. Judges note it; a marked test that has not evaluated what it claims fails.

    @pytest.mark.matrix("C1", invariants="G1 G3")
    def test_something(...):
        with judged("G1", "G3"):  # or a judge that does so itself, such as `Stand.healed`
            assert ...
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

INVARIANTS = tuple(f"G{number}" for number in range(1, 19))

_evaluated: set[str] = set()


@contextmanager
def judged(*invariants: str) -> Iterator[None]:
    """Note that these invariants were evaluated, when the block that evaluates them ends without an exception."""
    unknown = set(invariants) - set(INVARIANTS)
    assert not unknown, f"there are no invariants {sorted(unknown)}"
    yield
    _evaluated.update(invariants)


def begin() -> None:
    """A test begins: nothing is evaluated yet."""
    _evaluated.clear()


def evaluated() -> tuple[str, ...]:
    """What the test under way has evaluated so far, in the order of their numbers."""
    return tuple(name for name in INVARIANTS if name in _evaluated)


def claims(item: pytest.Item) -> dict[str, frozenset[str]]:
    """Row -> the invariants that the test says it evaluates for it."""
    found: dict[str, frozenset[str]] = {}
    for mark in item.iter_markers("matrix"):
        (row,) = mark.args
        found[row] = found.get(row, frozenset()) | frozenset(mark.kwargs["invariants"].split())
    return found


def expect_claims_kept(item: pytest.Item) -> None:
    """Fail the test that claims an invariant which nothing in it evaluated."""
    claimed = frozenset[str]().union(*claims(item).values())
    missing = claimed - _evaluated
    assert not missing, f"claims {' '.join(sorted(claimed))}, and nothing evaluated {' '.join(sorted(missing))}"
