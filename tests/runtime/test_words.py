"""A failure in one line, and its traceback for those who look."""

import logging

import pytest

from realtrading.errors import BadInput, HouseError
from realtrading.runtime.words import in_one_line, log_failure


def raised(error: Exception) -> BaseException:
    try:
        raise error
    except Exception as caught:
        return caught


def test_a_bug_of_ours_names_class_text_and_place() -> None:
    """Whoever reads the log knows where to look."""
    assert in_one_line(raised(ValueError("no\nsuch   thing"))).startswith("ValueError: no such thing (test_words.py:")
    assert in_one_line(raised(HouseError("broken"))).startswith("HouseError: broken (test_words.py:")
    assert in_one_line(KeyError()) == "KeyError"


def test_an_error_that_names_its_culprit_is_quoted_as_it_is() -> None:
    """A user's mistake, or a strategy's, says itself where it is; our frames would only confuse."""
    assert in_one_line(raised(BadInput("own.py line 4: ValueError: four"))) == "own.py line 4: ValueError: four"


def test_people_get_a_line_and_those_who_look_the_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """One record at ERROR without a traceback, one at DEBUG with all of it."""
    with caplog.at_level(logging.DEBUG, "realtrading.runtime"):
        log_failure(logging.getLogger("realtrading.runtime"), "orders", raised(ValueError("no")))

    line, whole = caplog.records
    assert (line.levelname, whole.levelname, whole.name) == ("ERROR", "DEBUG", "realtrading.runtime.traceback")
    assert line.getMessage().startswith("orders: ValueError: no (test_words.py:")
    assert "Traceback" in whole.getMessage()
    assert "Traceback" not in line.getMessage()
