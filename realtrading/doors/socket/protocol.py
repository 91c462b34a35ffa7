"""What is said through the socket: one request line, one answer line, and nothing longer than it may be."""
from __future__ import annotations

import json
import socket
import time
from typing import Any, Final, NoReturn

import attrs

from realtrading.errors import BadInput

SCHEMA: Final = 1
FILE: Final = "socket"
REQUEST_MAX: Final = 1 << 16
ANSWER_MAX: Final = 1 << 26
CHUNK: Final = 1 << 16
EXIT_USAGE: Final = 2
EXIT_NOT_REACHABLE: Final = 3
EXIT_REFUSED: Final = 6
EXIT_NOT_FOUND: Final = 8
EXIT_TIMED_OUT: Final = 10
EXIT_VERDICT: Final = 11


@attrs.frozen(kw_only=True)
class Request:
    """One thing asked: a command's name and its arguments, all of them text, numbers or yes and no."""

    command: str
    arguments: dict[str, Any] = attrs.field(factory=dict)

    def text(self, name: str) -> str:
        """A text that must be given. Raises `BadInput`."""
        value = self.arguments.get(name)
        if not isinstance(value, str) or not value:
            raise BadInput(f"{self.command}: {name} is missing or is no text")
        return value

    def seconds(self, name: str, default_s: float, max_s: float) -> float:
        """A length of time. Raises `BadInput` for one that is none, or too long."""
        value = self.arguments.get(name, default_s)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= max_s:
            raise BadInput(f"{self.command}: {name} {value!r:.30} (allowed: seconds above 0, up to {max_s:g})")
        return float(value)


def encoded(said: dict[str, Any]) -> bytes:
    """One line with the schema's number in it."""
    return json.dumps({"schema": SCHEMA, **said}, allow_nan=False).encode() + b"\n"


def opened(line: bytes) -> dict[str, Any]:
    """The object in a line. Raises `BadInput` for whatever is none of this schema."""
    try:
        said = json.loads(line.decode(), parse_constant=_no_number)
    except RecursionError:
        raise BadInput("not JSON: nested too deeply") from None
    except ValueError as wrong:
        raise BadInput(f"not JSON: {wrong}") from None
    if not isinstance(said, dict):
        raise BadInput("not a JSON object")
    if type(said.get("schema")) is not int or said["schema"] != SCHEMA:
        raise BadInput(f"schema {said.get('schema')!r:.30} (spoken here: {SCHEMA})")
    return said


def request_of(line: bytes) -> Request:
    """The request in a line. Raises `BadInput` naming what is wrong with it."""
    said = opened(line)
    unknown = sorted(set(said) - {"schema", "command", "arguments"})
    if unknown:
        raise BadInput(f"unknown members {', '.join(unknown)!r:.60} (allowed: schema, command, arguments)")
    command, arguments = said.get("command"), said.get("arguments", {})
    if not isinstance(command, str) or not isinstance(arguments, dict):
        raise BadInput("a request has a command (text) and arguments (an object)")
    return Request(command=command, arguments=arguments)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


class Lines:
    """Lines out of a socket, each with a longest length and a deadline for the whole of it."""

    def __init__(self, source: socket.socket) -> None:
        self._source = source
        self._rest = bytearray()

    def next(self, limit: int, timeout_s: float) -> bytes | None:
        """The next line without its end; None when the other side has ended before one began.

        Raises `BadInput` for a line that is too long or was broken off, `TimeoutError` for one that takes too long,
        and `OSError`.
        """
        deadline_mono = time.monotonic() + timeout_s
        seen = 0
        while (end := self._rest.find(b"\n", seen)) < 0:
            seen = len(self._rest)
            if seen > limit:
                break
            left_s = deadline_mono - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("no whole line in time")
            self._source.settimeout(left_s)
            more = self._source.recv(CHUNK)
            if not more:
                if self._rest:
                    raise BadInput("the line was broken off")
                return None
            self._rest += more
        if not 0 <= end <= limit:
            raise BadInput(f"the line is longer than {limit} bytes")
        line = bytes(self._rest[:end])
        del self._rest[: end + 1]
        return line
