"""A failure in one line for people; the whole traceback goes to a logger of its own, at DEBUG."""

from __future__ import annotations

import logging
import traceback
from pathlib import PurePath

from realtrading.errors import HouseError, RealTradingError

whole = logging.getLogger("realtrading.runtime.traceback")


def in_one_line(failure: BaseException) -> str:
    """Class, text, and file:line of the innermost frame; an error that names its culprit itself is quoted as it is."""
    text = " ".join(str(failure).split())
    if isinstance(failure, RealTradingError) and not isinstance(failure, HouseError):
        return text or type(failure).__name__
    frames = list(traceback.walk_tb(failure.__traceback__))
    place = f" ({PurePath(frames[-1][0].f_code.co_filename).name}:{frames[-1][1]})" if frames else ""
    return f"{type(failure).__name__}{': ' if text else ''}{text}{place}"


def log_failure(log: logging.Logger, who: str, failure: BaseException, level: int = logging.ERROR) -> None:
    """Say it to people in one line, and keep the traceback for those who look."""
    log.log(level, "%s: %s", who, in_one_line(failure))
    log_traceback(who, "".join(traceback.format_exception(failure)))


def log_traceback(who: str, text: str) -> None:
    """Many lines, for those who look."""
    whole.debug("%s:\n%s", who, text)
