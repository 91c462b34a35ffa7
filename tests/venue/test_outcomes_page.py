"""The page of outcomes: it says what the code does, and leaves nothing out that the venue documents."""

import json
from pathlib import Path

import aiohttp
import pytest

from realtrading.venue.answers import Answer, Failure
from realtrading.venue.codes import CODES
from realtrading.venue.outcomes import Outcome, failure_of_kind, judge
from venue.outcomes_page import PAGE, WITHOUT_ANSWER, kinds, page

BASES = {"doc": "documented", "mechanism": "mechanism", "conservative": "worst case"}


def test_the_page_is_what_the_code_does() -> None:
    """The shipped page is word for word what the tables make of it."""
    assert page() == PAGE.read_text("utf-8"), "run: cd tests && python -m venue.outcomes_page"


def test_every_documented_code_is_in_the_table(shared_dir: Path) -> None:
    """No code of the venue's documents is unclassified, and name and basis are the documents' own."""
    documented = json.loads((shared_dir / "binance/errors.json").read_text())["codes"]
    ours = {code.number: (code.name, code.basis) for code in CODES}
    theirs = {int(number): (facts["name"], BASES[facts["basis"]]) for number, facts in documented.items()}
    assert {number: told for number, told in ours.items() if number != -1131} == theirs


def test_every_documented_status_is_judged_no_better_than_documented(shared_dir: Path) -> None:
    """Where the documents see a way for the order to live, no status is taken for a no."""
    documented = json.loads((shared_dir / "binance/errors.json").read_text())["http"]
    risky = [row["status"] for row in documented if row["order_may_be_live"] == "unknown" and isinstance(row["status"], int)]
    assert risky == [409]
    for status in (*risky, *range(500, 600)):
        assert judge(Answer(status=status)).outcome is Outcome.UNKNOWN


def test_each_code_stands_once_and_has_evidence() -> None:
    """No code is told twice, and none without a reason to believe it."""
    assert len({code.number for code in CODES}) == len(CODES) > 100
    assert all(len(code.evidence) > 10 and "|" not in code.evidence for code in CODES)


def test_an_unlisted_code_is_unknown() -> None:
    """The numbers between the documented ones prove nothing."""
    listed = {code.number for code in CODES}
    for number in set(range(-2100, -999)) - listed:
        assert judge(Answer(status=400, code=number)).outcome is Outcome.UNKNOWN, number


def test_the_page_names_every_way_to_get_no_answer() -> None:
    """Every failure the wire can tell of has its row, and every class of the libraries its judgement."""
    assert set(WITHOUT_ANSWER) == set(Failure)
    assert {Outcome.UNKNOWN, Outcome.NEVER_REACHED} == {
        judge(Answer(status=0, failure=failure_of_kind(kind))).outcome for kind in kinds()
    }


@pytest.mark.parametrize("kind", [aiohttp.InvalidUrlRedirectClientError, aiohttp.NonHttpUrlRedirectClientError])
def test_a_redirect_came_after_an_answer(kind: type[BaseException]) -> None:
    """A bad address in a redirect is told by whoever got the request, so it has been sent."""
    assert failure_of_kind(kind) is Failure.LOST
