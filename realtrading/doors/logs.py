"""Log lines for people and journald: one line each, level first, never a traceback, never a secret."""
from __future__ import annotations

import logging
import os
import re
import sys
import threading
from types import TracebackType

from realtrading.runtime.words import log_failure

_SECRETS = re.compile(r"(signature|apiKey|X-MBX-APIKEY)(['\"]?\s*[=:]\s*['\"]?)[^&\s'\"]+", re.IGNORECASE)
_PRIORITY = {logging.DEBUG: "<7>", logging.INFO: "<6>", logging.WARNING: "<4>", logging.ERROR: "<3>"}

log = logging.getLogger("realtrading.process")


class OneLine(logging.Formatter):
    """A record as one line; under journald with the level prefix it parses."""

    def __init__(self, *, prefixed: bool) -> None:
        super().__init__()
        self.prefixed = prefixed

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        text = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            text = f"{text}: {type(error).__name__}: {error}"
        text = _SECRETS.sub(r"\1\2…", " ".join(text.split()))
        prefix = _PRIORITY.get(record.levelno, "<2>") if self.prefixed else f"{record.levelname.lower()}: "
        return f"{prefix}{record.name.removeprefix('realtrading.')}: {text}"


def under_journald() -> bool:
    """Whether stderr is the journal's own stream, as `JOURNAL_STREAM` names it."""
    try:
        own = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{own.st_dev}:{own.st_ino}"


def configure_logging(level: int = logging.INFO) -> None:
    """Send the house's records to stderr as single lines; other libraries only from WARNING on.

    What nobody catches, on whatever thread, is said the same way: one line, no traceback.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(prefixed=under_journald()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("realtrading").setLevel(level)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)
    sys.unraisablehook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def _uncaught(kind: type[BaseException], failure: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, SystemExit):
        log_failure(log, "nobody expected this", failure or kind(), logging.CRITICAL)
