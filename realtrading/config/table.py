"""One section of the configuration file while it is read."""
from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from realtrading.domain.settings import Mistake


class Table:
    """One section while it is read: typed taking, mistakes noted, and whatever nobody took is unknown."""

    def __init__(self, section: str, data: object, mistakes: list[Mistake]) -> None:
        self.section, self.mistakes = section, mistakes
        self.known: list[str] = []
        self.data: Mapping[str, Any] = {}
        if isinstance(data, dict):
            self.data = data
        else:
            self.wrong("", f"{data!r:.60} (allowed: a section [{section}])")

    def wrong(self, key: str, what: str) -> None:
        self.mistakes.append(Mistake(section=self.section, key=key, what=what))

    def take(self, key: str, kind: type, allowed: str) -> Any:
        """The value if it is there and of its kind, else None (and a mistake when it is there)."""
        self.known.append(key)
        value = self.data.get(key)
        if value is None or (isinstance(value, kind) and not isinstance(value, bool)):
            return value
        self.wrong(key, f"{value!r:.60} (allowed: {allowed})")
        return None

    def text(self, key: str, allowed: str = "text in quotes") -> str | None:
        value = self.take(key, str, allowed)
        if value is not None and (not value.strip() or "\0" in value):
            self.wrong(key, f"{value!r:.60} (allowed: {allowed})")
            return None
        return value

    def one_of(self, key: str, choices: Iterable[str]) -> str | None:
        allowed = ", ".join(choices)
        value = self.text(key, allowed)
        if value is None or value in choices:
            return value
        self.wrong(key, f"{value!r}{meant(value, choices)} (allowed: {allowed})")
        return None

    def texts(self, key: str) -> tuple[str, ...] | None:
        allowed = 'a list such as ["BTCUSDT"]'
        value = self.take(key, list, allowed)
        if value is None:
            return None
        if all(isinstance(inner, str) for inner in value):
            return tuple(value)
        self.wrong(key, f"{value!r:.60} (allowed: {allowed})")
        return None

    def path(self, key: str, folder: Path) -> Path | None:
        value = self.text(key, "a path in quotes")
        return None if value is None else folder / value

    def done(self) -> None:
        for key in self.data:
            if key not in self.known:
                self.wrong(key, f"unknown{meant(key, self.known)} (allowed: {', '.join(self.known)})")


def meant(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else ""
