"""What an answer means for an order: every documented code, every HTTP class, every exception."""

import asyncio
import json
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from realtrading.domain.reasons import Reason
from realtrading.venue.answers import Answer, Failure
from realtrading.venue.client import ResponseTooLarge
from realtrading.venue.fields import Unreadable
from realtrading.venue.outcomes import BY_CODE, Outcome, failure_of, judge

DEAD = {Outcome.REFUSED, Outcome.THROTTLED}


def outcome(status: int, code: int = 0, message: str = "") -> Outcome:
    return judge(Answer(status=status, code=code, message=message)).outcome


def test_every_documented_code_has_its_class(shared_dir: Path) -> None:
    """A code is refused if, and only if, Binance's own documents leave no way in which the order could live."""
    codes = json.loads((shared_dir / "binance/errors.json").read_text())["codes"]
    assert len(codes) > 80
    for code, facts in codes.items():
        certain = facts["may_have_reached_engine"] in ("no", "yes") and facts["order_may_be_live"] == "no"
        # a cancel-replace's codes are no answers to anything the house sends
        if certain and int(code) != -2022:
            assert outcome(400, int(code), facts["messages"][0]) in DEAD, (code, facts["name"])
        else:
            assert outcome(400, int(code), facts["messages"][0]) is Outcome.UNKNOWN, (code, facts["name"])


def test_no_code_is_refused_that_is_not_documented(shared_dir: Path) -> None:
    """The table holds nothing of its own invention but -1131, which the older documents list."""
    codes = json.loads((shared_dir / "binance/errors.json").read_text())["codes"]
    assert {code for code in BY_CODE if str(code) not in codes} == {-1131}


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (-1013, "Filter failure: LOT_SIZE", Reason.VENUE_FILTER),
        (-1111, "Parameter 'quantity' has too much precision.", Reason.VENUE_FILTER),
        (-1106, "Parameter 'timeInForce' sent when not required.", Reason.VENUE_PARAMETER),
        (-1121, "Invalid symbol.", Reason.VENUE_PARAMETER),
        (-1021, "Timestamp for this request is outside of the recvWindow.", Reason.VENUE_CLOCK),
        (-1022, "Signature for this request is not valid.", Reason.VENUE_CREDENTIALS),
        (-2014, "API-key format invalid.", Reason.VENUE_CREDENTIALS),
        (-2015, "Invalid API-key, IP, or permissions for action.", Reason.VENUE_CREDENTIALS),
        (-1015, "Too many new orders.", Reason.VENUE_THROTTLED),
        (-1003, "Too many requests queued.", Reason.VENUE_THROTTLED),
        (-2010, "Account has insufficient balance for requested action.", Reason.VENUE_INSUFFICIENT_BALANCE),
        (-2010, "Order would immediately match and take.", Reason.VENUE_WOULD_TAKE),
        (-2010, "Market is closed.", Reason.VENUE_REJECTED),
        (-2010, "This account may not place or cancel orders.", Reason.VENUE_CREDENTIALS),
        (-2010, "", Reason.VENUE_REJECTED),
    ],
)
def test_refusals_are_filed_under_their_reason(code: int, message: str, reason: Reason) -> None:
    """The reason tells a person what to change."""
    assert judge(Answer(status=400, code=code, message=message)).reason is reason


@pytest.mark.parametrize("code", [-2010, -1010])
def test_a_twin_is_no_refusal(code: int) -> None:
    """ "Duplicate order sent." proves that an order with our id lives: its fate is unknown, not refused."""
    assert outcome(400, code, "Duplicate order sent.") is Outcome.UNKNOWN


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
@pytest.mark.parametrize("code", [0, -1000, -1001, -1003, -1007, -1008, -1013, -2010, -2015])
def test_any_5xx_is_unknown(status: int, code: int) -> None:
    """Documented as "must not be treated as failure", whatever code is in the body."""
    assert outcome(status, code) is Outcome.UNKNOWN


@pytest.mark.parametrize("status", [100, 301, 302, 307, 308, 402, 403, 404, 405, 408, 409, 410, 413, 451])
def test_what_does_not_come_from_the_api_is_unknown(status: int) -> None:
    """Redirects, firewall pages and statuses the API does not use prove nothing, even with a code of the table."""
    assert outcome(status) is Outcome.UNKNOWN
    assert outcome(status, -1013) is Outcome.UNKNOWN


@pytest.mark.parametrize("status", [418, 429])
@pytest.mark.parametrize("code", [0, -1003, -1015, -9999])
def test_the_limiter_stands_before_the_engine(status: int, code: int) -> None:
    """429 and 418 mean that nothing was done, also without a readable body."""
    assert judge(Answer(status=status, code=code)).reason is Reason.VENUE_THROTTLED


def test_unlisted_is_unknown() -> None:
    """A code that nobody has documented, and a 400 without one, are unknown; 401 is about who we are in any case."""
    assert outcome(400, -4242) is Outcome.UNKNOWN
    assert outcome(400) is Outcome.UNKNOWN
    assert judge(Answer(status=401)).reason is Reason.VENUE_CREDENTIALS
    assert outcome(401, -4242) is Outcome.UNKNOWN


def test_success_needs_a_readable_body() -> None:
    """A 200 whose body is not JSON proves nothing."""
    assert judge(Answer(status=200, payload={})).outcome is Outcome.DONE
    assert outcome(200) is Outcome.UNKNOWN


KEY = ConnectionKey("127.0.0.1", 1, False, True, None, None, None)
BEFORE = [
    aiohttp.ClientConnectorError(KEY, OSError(111, "refused")),
    aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "no such name")),
    aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "handshake")),
    aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("expired")),
    aiohttp.ConnectionTimeoutError(),
    aiohttp.ServerFingerprintMismatch(b"", b"", "127.0.0.1", 1),
    aiohttp.InvalidURL("x"),
]
AFTER = [
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientOSError(104, "reset"),
    aiohttp.ClientConnectionResetError(),
    aiohttp.ClientPayloadError(),
    aiohttp.SocketTimeoutError(),
    aiohttp.ServerTimeoutError(),
    TimeoutError(),
    asyncio.IncompleteReadError(b"", 1),
    ConnectionResetError(),
    ResponseTooLarge(),
    Unreadable(),
    RuntimeError("Session is closed"),
    ValueError(),
    KeyError(),
    MemoryError(),
]


@pytest.mark.parametrize("error", BEFORE, ids=lambda e: type(e).__name__)
def test_what_fails_before_the_first_byte_never_reached_the_venue(error: Exception) -> None:
    """Names, TCP, TLS and the pool: the order certainly is not alive."""
    failure = failure_of(error)
    assert failure is Failure.NEVER_REACHED
    assert judge(Answer(status=0, failure=failure)).reason is Reason.VENUE_NOT_REACHED


@pytest.mark.parametrize("error", AFTER, ids=lambda e: type(e).__name__)
def test_every_other_exception_is_unknown(error: Exception) -> None:
    """After the request may have been written, and for exceptions nobody thought of, only a fact can tell."""
    assert failure_of(error) is Failure.LOST
    assert judge(Answer(status=0, failure=Failure.LOST)).outcome is Outcome.UNKNOWN


def test_what_we_did_not_send_is_refused() -> None:
    """Our own silence and our own closed door are certain."""
    assert judge(Answer(status=0, failure=Failure.SILENCED)).reason is Reason.VENUE_THROTTLED
    assert judge(Answer(status=0, failure=Failure.CLOSED)).reason is Reason.VENUE_NOT_REACHED
