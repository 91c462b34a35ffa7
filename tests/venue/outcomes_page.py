"""Writes the page of outcomes out of the tables that judge: realtrading/docs/outcomes.md.

    cd tests && python -m venue.outcomes_page

Nothing on the page is typed by hand but the evidence: each outcome is asked of `judge` itself.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path

import aiohttp
import attrs
import binance.exceptions
import websockets.exceptions

from realtrading.venue.answers import Answer, Failure
from realtrading.venue.client import ResponseTooLarge
from realtrading.venue.codes import CODES, Verdict
from realtrading.venue.outcomes import BY_TEXT, failure_of_kind, judge

PAGE = Path(__file__).resolve().parents[2] / "realtrading" / "docs" / "outcomes.md"

HEAD = """\
# What an answer means for an order

<!-- Written by `cd tests && python -m venue.outcomes_page`; a test compares it with the code. -->

After a placement was sent, one question counts: can that order be alive? Every answer, and every way to get none, has
exactly one outcome:

| Outcome | The order | What the engine does |
|---|---|---|
| done | lives, or has lived | books what the answer says |
| refused | is certainly not alive | frees what was held for it |
| throttled | is certainly not alive | frees what was held, sends nothing until the time it was told |
| never reached | is certainly not alive | frees what was held |
| unknown | may be alive | keeps the worst case held, asks until a fact answers, never sends it again |

**Whatever is not listed here is unknown.** Basis: *documented*, the venue's own documents say so; *mechanism*, it
follows from where the check sits; *worst case*, they are silent.
"""


@attrs.frozen
class Status:
    """A class of HTTP answers: its name on the page, one example of it, and the evidence."""

    name: str
    example: Answer
    evidence: str


STATUSES = (
    Status("2xx, body is JSON", Answer(status=200, payload={}), "the order's state is in the body"),
    Status("2xx, body is not JSON", Answer(status=200), "a proxy's or firewall's page proves nothing"),
    Status("3xx", Answer(status=302), "no answer of the API; never followed, or the order would go out twice"),
    Status("400 with a code", Answer(status=400, code=-1013), "by its code, see above"),
    Status("400 without a code", Answer(status=400), "no answer of the API"),
    Status("401 without a code", Answer(status=401), "who asks is checked before anything is forwarded"),
    Status("401 with a code", Answer(status=401, code=-2015), "by its code, see above"),
    Status("403", Answer(status=403), "a firewall's page; the documents mean no, the body cannot prove it"),
    Status("404, 410", Answer(status=404), "a path that is gone; stricter than it need be"),
    Status("409", Answer(status=409), "one half of a cancel-replace was done"),
    Status("418, 429", Answer(status=429), "the limiter stands before everything else, also without a readable body"),
    Status("any other 4xx", Answer(status=413), "no answer of the API"),
    Status("5xx, with or without a code", Answer(status=503, code=-1013), "documented: must not be taken for a failure"),
)

WITHOUT_ANSWER = {
    Failure.NEVER_REACHED: "names, TCP, TLS, the proxy or the pool of connections: not one byte of it was written",
    Failure.CLOSED: "the engine had no connection open, so it did not send",
    Failure.SILENCED: "the venue had asked for silence, so it was not sent",
    Failure.LOST: "it may have been written, and no answer came",
}

OTHERS: tuple[type[BaseException], ...] = (
    ResponseTooLarge,
    TimeoutError,
    ConnectionResetError,
    BrokenPipeError,
    OSError,
    ssl.SSLError,
    asyncio.IncompleteReadError,
    asyncio.LimitOverrunError,
    asyncio.InvalidStateError,
    ValueError,
    RuntimeError,
    Exception,
)


def kinds() -> Iterator[type[BaseException]]:
    """Every class that python-binance, aiohttp and websockets raise, and what the language adds to them."""
    yield from sorted(_below(aiohttp.ClientError, "aiohttp"), key=_name)
    yield from (found for name in sorted(vars(binance.exceptions)) if _is_error(found := getattr(binance.exceptions, name)))
    yield from (getattr(websockets.exceptions, name) for name in sorted(websockets.exceptions.__all__))
    yield from OTHERS


def _is_error(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, BaseException)


def _below(kind: type[BaseException], library: str) -> set[type[BaseException]]:
    own = {kind} if kind.__module__.startswith(f"{library}.") else set()
    return own.union(*(_below(child, library) for child in kind.__subclasses__()))


def _name(kind: type[BaseException]) -> str:
    library = kind.__module__.partition(".")[0]
    return kind.__name__ if library in ("builtins", "realtrading") else f"{library}.{kind.__name__}"


def page() -> str:
    """The whole page."""
    codes = sorted(CODES, key=lambda code: -code.number)
    parts = [
        HEAD,
        "## Codes in an answer with status 400 or 401\n",
        _table(
            ("Code", "Name", "Outcome", "Filed under", "Basis", "Evidence"),
            ((f"`{c.number}`", c.name, *_said(_judged(400, c.number)), c.basis, c.evidence) for c in codes),
        ),
        "The engine's own no (-1010, -2010) is told apart by its text; the first of these that is in it decides:\n",
        _table(
            ("Text", "Outcome", "Filed under"),
            ((f"“{words}”", *_said(_judged(400, -2010, words))) for words, _ in BY_TEXT),
        ),
        "## HTTP statuses\n",
        _table(
            ("Status", "Outcome", "Filed under", "Evidence"),
            ((s.name, *(("by its code", "") if s.evidence.startswith("by its code") else _said(judge(s.example))), s.evidence)
             for s in STATUSES),
        ),
        "## No answer at all\n",
        _table(
            ("What happened", "Outcome", "Filed under", "Evidence"),
            ((f.value, *_said(judge(Answer(status=0, failure=f))), why) for f, why in WITHOUT_ANSWER.items()),
        ),
        "## Exceptions while a request is on its way\n",
        _table(
            ("Exception", "What happened", "Outcome"),
            ((f"`{_name(k)}`", failure_of_kind(k).value, judge(Answer(status=0, failure=failure_of_kind(k))).outcome.value)
             for k in kinds()),
        ),
    ]  # fmt: skip
    return "\n".join(parts)


def _judged(status: int, code: int, message: str = "") -> Verdict:
    return judge(Answer(status=status, code=code, message=message))


def _said(verdict: Verdict) -> tuple[str, str]:
    return verdict.outcome.value, "" if verdict.reason is None else f"`{verdict.reason}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
