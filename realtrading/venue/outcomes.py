"""What an answer means for an order: from (status, code, exception) to refused, or nobody knows.

The question is always "can this order be alive?". Only what is documented, or follows from where the check sits, to
happen before the matching engine (or to be the engine's own no) counts as refused. Everything else, everything new
above all, is UNKNOWN: a fact from the stream or a query must end it, never a guess and never a second send.
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from realtrading.domain.reasons import Reason

from .answers import Answer, Failure
from .codes import BY_CODE, DONE, NEVER_REACHED, THROTTLED, UNKNOWN, Outcome, Verdict, refused

__all__ = ["BY_CODE", "BY_TEXT", "Outcome", "Verdict", "failure_of", "failure_of_kind", "judge"]

_ENGINE = (-1010, -2010)
BY_TEXT = (
    # an order with this id lives already: that order is ours, so its fate is what must be found out
    ("duplicate", UNKNOWN),
    ("insufficient balance", refused(Reason.VENUE_INSUFFICIENT_BALANCE)),
    ("would immediately match", refused(Reason.VENUE_WOULD_TAKE)),
    ("filter failure", refused(Reason.VENUE_FILTER)),
    ("may not place or cancel", refused(Reason.VENUE_CREDENTIALS)),
    ("disabled on this account", refused(Reason.VENUE_CREDENTIALS)),
    ("trading is not enabled", refused(Reason.VENUE_CREDENTIALS)),
)
"""The engine's no: the first of these words in its text decides."""

_BY_FAILURE: Mapping[Failure, Verdict] = {
    Failure.NEVER_REACHED: NEVER_REACHED,
    Failure.CLOSED: NEVER_REACHED,
    Failure.SILENCED: THROTTLED,
    Failure.LOST: UNKNOWN,
}

# raised while a connection is being made, before the first byte of the request: names, TCP, TLS, the pool's own limit
_BEFORE_WRITING = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)


def judge(answer: Answer) -> Verdict:
    """What this answer to a placement (or any other request) means."""
    if answer.failure is not None:
        return _BY_FAILURE[answer.failure]
    if 200 <= answer.status < 300:
        return DONE if answer.payload is not None else UNKNOWN
    if answer.status in (418, 429):
        return THROTTLED
    if answer.status not in (400, 401):
        # 5xx is documented as unknown; redirects, 403 pages and the rest come from something that is not the API
        return UNKNOWN
    if answer.code in _ENGINE:
        words = answer.message.lower()
        return next((verdict for part, verdict in BY_TEXT if part in words), BY_CODE[answer.code])
    if answer.status == 401 and answer.code == 0:
        return refused(Reason.VENUE_CREDENTIALS)
    return BY_CODE.get(answer.code, UNKNOWN)


def failure_of(error: BaseException) -> Failure:
    """Whether a request that ended in this exception can have reached the venue. Unlisted: it can."""
    return failure_of_kind(type(error))


def failure_of_kind(kind: type[BaseException]) -> Failure:
    """The same for a class of exceptions. One about a redirect comes after an answer, whatever else it is."""
    before = issubclass(kind, _BEFORE_WRITING) and not issubclass(kind, aiohttp.RedirectClientError)
    return Failure.NEVER_REACHED if before else Failure.LOST
