"""What came back from one request, whatever it was.

Status, code, text and payload of this very call, never a shared 'last response'.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from .fields import Unreadable, read_json

DETAIL_MAX = 300
BODY_MAX = 16 * 1024 * 1024
"""Largest body or frame the house reads, bytes."""

_SECRET_PAIR = re.compile(
    r"(?i)\b(signature|apikey|x-mbx-apikey|secret|listenkey|listentoken)(['\"]?\s*[=:]\s*['\"]?)[^\s&'\",}]+"
)
_LONG_HEX = re.compile(r"[0-9a-fA-F]{32,}")


class Failure(enum.StrEnum):
    """Why there is no answer at all."""

    NEVER_REACHED = "never reached the venue"
    SILENCED = "not sent: the venue asked for silence"
    CLOSED = "not sent: no connection"
    LOST = "sent, and no answer came"


@attrs.frozen(kw_only=True)
class Answer:
    """One request's end. `status` is 0 when no answer came (`failure` says why); `payload` is the parsed body of a
    2xx.

    `code` is Binance's error code or 0; `message` is short and holds no secret; `retry_after_s` is the header, or
    None.
    """

    status: int
    code: int = 0
    message: str = ""
    payload: Any = None
    retry_after_s: int | None = None
    retry_at_ms: int | None = None
    failure: Failure | None = None

    @property
    def ok(self) -> bool:
        """True when the venue did what was asked and said so in JSON."""
        return self.failure is None and 200 <= self.status < 300 and self.payload is not None

    def __str__(self) -> str:
        if self.failure is not None:
            return f"{self.failure.value} ({self.message})" if self.message else self.failure.value
        return f"HTTP {self.status}, code {self.code}: {self.message}" if self.code else f"HTTP {self.status}: {self.message}"


def from_body(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """The answer in an HTTP response. A body that is not JSON is never quoted: its type and size must do."""
    retry_after = headers.get("Retry-After", "")
    retry_after_s = int(retry_after) if re.fullmatch(r"[0-9]{1,9}", retry_after, re.ASCII) else None
    try:
        payload = read_json(body)
    except Unreadable:
        kind = headers.get("Content-Type", "no type")[:40]
        return Answer(status=status, message=f"{len(body)} bytes that are not JSON ({kind})", retry_after_s=retry_after_s)
    if 200 <= status < 300:
        return Answer(status=status, payload=payload, retry_after_s=retry_after_s)
    code, message = error_of(payload)
    return Answer(status=status, code=code, message=message, retry_after_s=retry_after_s)


def error_of(payload: object) -> tuple[int, str]:
    """Code and text of `{"code", "msg"}`; (0, a remark) when the payload is something else."""
    if not isinstance(payload, dict):
        return 0, "an error body without a code"
    code, message = payload.get("code"), payload.get("msg")
    return (code if type(code) is int else 0), (
        redacted(message) if isinstance(message, str) else "an error body without a text"
    )


def redacted(words: str, secrets: Iterable[str] = ()) -> str:
    """`words` cut short, on one line, and without anything that looks like, or is, a key or a signature."""
    for secret in secrets:
        if secret:
            words = words.replace(secret, "***")
    words = _LONG_HEX.sub("***", _SECRET_PAIR.sub(r"\1\2***", words))
    return "".join(each if each.isprintable() else " " for each in words[:DETAIL_MAX])
