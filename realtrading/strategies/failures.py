"""Where an author's own code failed: the one line a person needs, found in the traceback."""
from __future__ import annotations

import inspect
import traceback

from realtrading.errors import RealTradingError


class StrategyFailed(RealTradingError):
    """A strategy's own code raised. `str()` is "strategy NAME: FILE line N: Type: message"."""


def failed(name: str, kind: type | None, failure: BaseException) -> StrategyFailed:
    """The failure of strategy `name`, pointing at the innermost line in the file of its class `kind`."""
    return StrategyFailed(f"strategy {name}: {place_and_words(failure, file_of(kind))}")


def file_of(kind: type | None) -> str | None:
    """The source file of a class, or None when it has none."""
    if kind is None:
        return None
    try:
        return inspect.getfile(kind)
    except (TypeError, OSError):
        return None


def place_and_words(failure: BaseException, file: str | None) -> str:
    """"FILE line N: Type: message": the innermost frame in `file`, else the innermost one of all."""
    words = f"{type(failure).__name__}: {' '.join(str(failure).split())}".rstrip(": ")
    if isinstance(failure, SyntaxError) and failure.filename:
        return f"{failure.filename} line {failure.lineno or 1}: {type(failure).__name__}: {failure.msg}"
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(failure.__traceback__)]
    place = next(((name, line) for name, line in reversed(frames) if name == file), frames[-1] if frames else None)
    if file is not None and place is not None and place[0].startswith("<frozen "):
        return f"{file}: {words}"  # refused before a line of it ran: the import machinery is not the place
    return words if place is None else f"{place[0]} line {place[1]}: {words}"
