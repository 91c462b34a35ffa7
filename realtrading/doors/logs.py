"""Log lines for people and journald: one line each, level first, never a traceback, never a secret."""
from __future__ import annotations

import logging
import re
import sys

_SECRETS = re.compile(r"(signature|apiKey|X-MBX-APIKEY)(['\"]?\s*[=:]\s*['\"]?)[^&\s'\"]+", re.IGNORECASE)
_PRIORITY = {logging.DEBUG: "<7>", logging.INFO: "<6>", logging.WARNING: "<4>", logging.ERROR: "<3>"}


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


def configure_logging(level: int = logging.INFO, *, prefixed: bool = False) -> None:
    """Send the house's records to stderr as single lines; other libraries only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(prefixed=prefixed))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("realtrading").setLevel(level)
