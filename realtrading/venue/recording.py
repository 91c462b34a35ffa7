"""A recorded user stream: finds the JSON documents in a file and reads them strictly; what cannot be read costs only
itself.

Documents stand one per line, one after another, or in an array; each may be spread over lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs

from .fields import DOCUMENT_MAX, Unreadable, read_event

_BETWEEN = re.compile(rb"[\s,\x1e]*")
_NO_DOCUMENT = re.compile(rb"[^\n{]+")
_TOKEN = re.compile(rb'"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*("?)|[{\[]|[}\]]')
# where the next document begins for sure when one has no end
_NEXT = re.compile(rb'\n\{|\n\s*\{\s*"(?:subscriptionId|event|e)"\s*:|\{\s*"subscriptionId"\s*:')
_BOM = b"\xef\xbb\xbf"


@attrs.frozen(kw_only=True)
class Document:
    """One document, or what stands in the place of one: `problem` says why it cannot be read, else it is empty.

    `line` counts from 1, `offset` is in bytes from 0.
    """

    line: int
    offset: int
    value: Any = None
    problem: str = ""


def documents(data: bytes) -> Iterator[Document]:
    """Every document of a file, in order."""
    position = counted = len(_BOM) if data.startswith(_BOM) else 0
    line, in_array = 1, False
    while True:
        start = _BETWEEN.match(data, position).end()  # type: ignore[union-attr]  # it matches the empty text
        if start == len(data):
            return
        line, counted = line + data.count(b"\n", counted, start), start
        first = data[start : start + 1]
        if first == b"{":
            value, problem, position = _document(data, start)
            yield Document(line=line, offset=start, value=value, problem=problem)
        elif first == (b"]" if in_array else b"["):
            in_array, position = not in_array, start + 1
        else:
            position = _NO_DOCUMENT.match(data, start).end()  # type: ignore[union-attr]  # one byte at least
            yield Document(line=line, offset=start, problem=f"{position - start} bytes that are no JSON object")


def _document(data: bytes, start: int) -> tuple[Any, str, int]:
    """Value, problem and end of the document at `start`."""
    end, problem = _extent(data, start), "not closed"
    if end is not None:
        try:
            return read_event(data[start:end]), "", end
        except Unreadable as error:
            problem = str(error)
    following = _NEXT.search(data, start + 1)
    # without an end of its own it may have swallowed its neighbours
    bound = len(data) if following is None else following.start()
    return None, problem, bound if end is None else min(end, bound)


def _extent(data: bytes, start: int) -> int | None:
    """Where the document at `start` ends, None if it does not within the largest size."""
    depth = 0
    for token in _TOKEN.finditer(data, start, start + DOCUMENT_MAX):
        first = token[0][:1]
        if first == b'"':
            if not token[1]:
                return None
        elif first in b"{[":
            depth += 1
        else:
            depth -= 1
            if not depth:
                return token.end()
    return None
