"""What an answer means for an order: the table from (status, code, exception) to refused, or nobody knows.

The question is always "can this order be alive?". Only what is documented, or follows from where the check sits, to
happen before the matching engine (or to be the engine's own no) counts as refused. Everything else, everything new
above all, is UNKNOWN: a fact from the stream or a query must end it, never a guess and never a second send.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import aiohttp
import attrs

from realtrading.domain.reasons import Reason

from .answers import Answer, Failure


class Outcome(enum.StrEnum):
    """What became of a request."""

    DONE = "done"
    REFUSED = "refused"
    THROTTLED = "throttled"
    NEVER_REACHED = "never reached"
    UNKNOWN = "unknown"


@attrs.frozen
class Verdict:
    """An outcome, and for everything but DONE and UNKNOWN the reason the house files it under."""

    outcome: Outcome
    reason: Reason | None = None


DONE = Verdict(Outcome.DONE)
UNKNOWN = Verdict(Outcome.UNKNOWN)
THROTTLED = Verdict(Outcome.THROTTLED, Reason.VENUE_THROTTLED)
NEVER_REACHED = Verdict(Outcome.NEVER_REACHED, Reason.VENUE_NOT_REACHED)


def _refused(reason: Reason) -> Verdict:
    return Verdict(Outcome.REFUSED, reason)


def _every(reason: Reason, *codes: int) -> dict[int, Verdict]:
    return dict.fromkeys(codes, _refused(reason))


BY_CODE: Mapping[int, Verdict] = {
    # the limiter stands before everything
    -1003: THROTTLED,
    -1015: THROTTLED,
    -1034: THROTTLED,
    # who we are, and when
    **_every(Reason.VENUE_CREDENTIALS, -1002, -1022, -2014, -2015),
    -1021: _refused(Reason.VENUE_CLOCK),
    # "the request didn't reach the matching engine": filters and precision
    **_every(Reason.VENUE_FILTER, -1013, -1111),
    # a request the API could not accept
    **_every(Reason.VENUE_PARAMETER, -1014, -1020, *range(-1106, -1099), -1108, *range(-1119, -1113), -1121),
    **_every(Reason.VENUE_PARAMETER, -1128, -1130, -1131, -1134, -1135, -1145, -1158, -1160, -1165, -1166, -1168),
    **_every(Reason.VENUE_PARAMETER, *range(-1175, -1168), -1182, -1188, -1189, -1190, -1191),
    **_every(Reason.VENUE_PARAMETER, *range(-1199, -1195), -1210, -1211, *range(-1225, -1221)),
    # sessions of kinds we do not open; still answers given before the engine
    **_every(Reason.VENUE_REJECTED, -1033, -1035, *range(-1181, -1175), *range(-1187, -1182)),
    # the engine's own no (its text decides, see below)
    **_every(Reason.VENUE_REJECTED, -1010, -2010, -2038),
}
"""Codes after which the order of *this* request is certainly not alive. A code that is not here: UNKNOWN."""

_ENGINE = (-1010, -2010)
_BY_TEXT = (
    # an order with this id lives already: that order is ours, so its fate is what must be found out
    ("duplicate", UNKNOWN),
    ("insufficient balance", _refused(Reason.VENUE_INSUFFICIENT_BALANCE)),
    ("would immediately match", _refused(Reason.VENUE_WOULD_TAKE)),
    ("filter failure", _refused(Reason.VENUE_FILTER)),
    ("may not place or cancel", _refused(Reason.VENUE_CREDENTIALS)),
    ("disabled on this account", _refused(Reason.VENUE_CREDENTIALS)),
    ("trading is not enabled", _refused(Reason.VENUE_CREDENTIALS)),
)

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
        return next((verdict for part, verdict in _BY_TEXT if part in words), BY_CODE[answer.code])
    if answer.status == 401 and answer.code == 0:
        return _refused(Reason.VENUE_CREDENTIALS)
    return BY_CODE.get(answer.code, UNKNOWN)


def failure_of(error: BaseException) -> Failure:
    """Whether a request that ended in this exception can have reached the venue. Unlisted: it can."""
    return Failure.NEVER_REACHED if isinstance(error, _BEFORE_WRITING) else Failure.LOST
