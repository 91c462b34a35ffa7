"""Committed state: a dict of dicts that cannot fail, and a view of it that other threads may read without asking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Entry = tuple[str, str, Any]
"""(table, key, new value); a value of None deletes the key."""


class Tables(dict[str, dict[str, Any]]):
    """table name -> key -> value. A table that was never written is empty. Written only by commits and by recovery."""

    def __missing__(self, table: str) -> dict[str, Any]:
        return self.setdefault(table, {})

    def put(self, table: str, key: str, value: Any | None) -> None:
        """Set one key to its new total; None deletes it."""
        if value is None:
            self[table].pop(key, None)
        else:
            self[table][key] = value

    def restore(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace everything by `rows` (recovery, and only while the owner is down)."""
        self.clear()
        for table, values in rows.items():
            self[table] = dict(values)


class TableView(Mapping[str, Any]):
    """One table, read-only. `get` and `[]` read the live value; iteration walks a copy no commit disturbs."""

    def __init__(self, tables: Tables, table: str) -> None:
        self._tables = tables
        self._table = table

    def _rows(self) -> dict[str, Any]:
        return self._tables.get(self._table) or {}

    def __getitem__(self, key: str) -> Any:
        return self._rows()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows().copy())

    def __len__(self) -> int:
        return len(self._rows())

    def snapshot(self) -> dict[str, Any]:
        """All rows at one moment."""
        return self._rows().copy()


class TablesView(Mapping[str, TableView]):
    """An actor's tables, read-only, for readers on any thread. A table never written reads as empty."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def __getitem__(self, table: str) -> TableView:
        return TableView(self._tables, table)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables.copy())

    def __len__(self) -> int:
        return len(self._tables)
