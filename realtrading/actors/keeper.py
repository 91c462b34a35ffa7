"""What all money keepers share: exact arithmetic, a handler per message type, and a draft of what they are about to say."""
from __future__ import annotations

import decimal
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from realtrading.domain.events import RulesHeard
from realtrading.domain.reports import RulesReported
from realtrading.domain.values import EXACT, Now
from realtrading.runtime.actor import Keeper


class Draft:
    """The messages a handler is about to return, and its tables as they will be once these are put.

    A handler that says two things about one key must build the second on the first; the draft shows it that.
    """

    def __init__(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        self._tables = tables
        self._over: dict[str, dict[str, Any]] = {}
        self.messages: list[object] = []

    def row(self, table: str, key: str) -> Any:
        """The row's value as it will be, or None."""
        over = self._over.get(table)
        if over is not None and key in over:
            return over[key]
        return self._tables.get(table, {}).get(key)

    def rows(self, table: str) -> dict[str, Any]:
        """A copy of the table as it will be."""
        rows = dict(self._tables.get(table, {}))
        for key, value in self._over.get(table, {}).items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
        return rows

    def say(self, message: object) -> None:
        """Add a message; an event's rows show in the draft at once."""
        self.messages.append(message)
        entries = getattr(message, "entries", None)
        if entries is not None:
            for table, key, value in entries():
                self._over.setdefault(table, {})[key] = value


Handler = Callable[[Any, Any, Now, Draft], None]


def hear_rules(self: Any, message: RulesReported, now: Now, draft: Draft) -> None:
    """Handler of every keeper that needs the symbols' rules: remember them as the venue tells them now."""
    for rules in message.rules:
        draft.say(RulesHeard(rules=rules))


class MoneyKeeper(Keeper):
    """A keeper on the money desk. `handlers` maps a message type to a function `(self, message, now, draft)`."""

    handlers: ClassVar[Mapping[type, Handler]] = {}

    def handle(self, message: object, now: Now) -> Iterable[object]:
        """Run the one handler for this type of message; an unexpected type is our bug and crashes."""
        with decimal.localcontext(EXACT):
            draft = Draft(self.tables)
            self.handlers[type(message)](self, message, now, draft)
            return draft.messages
