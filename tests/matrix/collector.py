"""pytest's part of the matrix: hooks for every test, and a plugin that gathers the marked ones over all worker processes."""

import json
from collections.abc import Iterator

import pytest

from matrix import evidence
from matrix.table import TestRun

_CLAIMS, _EVALUATED = "matrix claims", "matrix evaluated"


def pytest_runtest_setup() -> None:
    """What a test evaluates is its own."""
    evidence.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A marked test must have evaluated what it claims; its report carries both to whoever collects."""
    try:
        outcome = yield
        evidence.expect_claims_kept(item)
    finally:
        _note(item)
    return outcome


def _note(item: pytest.Item) -> None:
    claimed = {row: sorted(names) for row, names in evidence.claims(item).items()}
    if claimed:
        item.user_properties.append((_CLAIMS, json.dumps(claimed)))
        item.user_properties.append((_EVALUATED, " ".join(evidence.evaluated())))


class Collector:
    """Holds every marked test that was collected or, when tests ran, how each ended."""

    def __init__(self) -> None:
        self.tests: dict[str, TestRun] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """What was collected here; the controller of several workers collects nothing itself."""
        for item in session.items:
            if claimed := evidence.claims(item):
                self.tests[item.nodeid] = TestRun(item.nodeid, claimed)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test ended: the worst of them counts."""
        told = dict(report.user_properties)
        known = self.tests.setdefault(report.nodeid, TestRun(report.nodeid, {}))
        if _CLAIMS in told:
            known.claims = {row: frozenset(names) for row, names in json.loads(str(told[_CLAIMS])).items()}
            known.evaluated = frozenset(str(told[_EVALUATED]).split())
        if known.outcome in ("", "passed"):
            known.outcome = report.outcome
