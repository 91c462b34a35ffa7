"""What an event is: a frozen fact that says which table rows it is, and whether it goes to disk."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import attrs

Entry = tuple[str, str, Any]
"""(table, key, value); value None deletes the row."""


@attrs.frozen(kw_only=True)
class Event:
    """Base of all events."""

    durable: ClassVar[bool] = True

    def entries(self) -> Iterable[Entry]:
        """The table rows this event is; none for an announcement."""
        return ()
