"""The venue's error codes as one table: what each means for an order, on what evidence.

An outcome is an answer to "can the order of *this* request be alive?". A code that is not in the table is UNKNOWN.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Literal

import attrs

from realtrading.domain.reasons import Reason


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


def refused(reason: Reason) -> Verdict:
    """The order certainly is not alive."""
    return Verdict(Outcome.REFUSED, reason)


Basis = Literal["documented", "mechanism", "worst case"]
"""Why we believe it: the venue's documents say so; it follows from where the check sits; they are silent, so the worst
is assumed.
"""


@attrs.frozen
class Code:
    """One code of the venue: its official name, what it means for an order, on what basis, and why in a few words."""

    number: int
    name: str
    verdict: Verdict
    basis: Basis
    evidence: str


def _codes(verdict: Verdict, basis: Basis, evidence: str, names: Mapping[int, str]) -> tuple[Code, ...]:
    return tuple(Code(number, name, verdict, basis, evidence) for number, name in names.items())


_PARAMETERS = {
    -1014: "UNKNOWN_ORDER_COMPOSITION", -1020: "UNSUPPORTED_OPERATION", -1100: "ILLEGAL_CHARS",
    -1101: "TOO_MANY_PARAMETERS", -1102: "MANDATORY_PARAM_EMPTY_OR_MALFORMED", -1103: "UNKNOWN_PARAM",
    -1104: "UNREAD_PARAMETERS", -1105: "PARAM_EMPTY", -1106: "PARAM_NOT_REQUIRED", -1108: "PARAM_OVERFLOW",
    -1114: "TIF_NOT_REQUIRED", -1115: "INVALID_TIF", -1116: "INVALID_ORDER_TYPE", -1117: "INVALID_SIDE",
    -1118: "EMPTY_NEW_CL_ORD_ID", -1119: "EMPTY_ORG_CL_ORD_ID", -1121: "BAD_SYMBOL",
    -1128: "OPTIONAL_PARAMS_BAD_COMBO", -1130: "INVALID_PARAMETER", -1131: "BAD_RECV_WINDOW",
    -1134: "BAD_STRATEGY_TYPE", -1135: "INVALID_JSON", -1145: "INVALID_CANCEL_RESTRICTIONS",
    -1158: "OCO_ORDER_TYPE_REJECTED", -1160: "OCO_ICEBERGQTY_TIMEINFORCE", -1165: "BUY_OCO_LIMIT_MUST_BE_BELOW",
    -1166: "SELL_OCO_LIMIT_MUST_BE_ABOVE", -1168: "BOTH_OCO_ORDERS_CANNOT_BE_LIMIT", -1169: "INVALID_TAG_NUMBER",
    -1170: "TAG_NOT_DEFINED_IN_MESSAGE", -1171: "TAG_APPEARS_MORE_THAN_ONCE", -1172: "TAG_OUT_OF_ORDER",
    -1173: "GROUP_FIELDS_OUT_OF_ORDER", -1174: "INVALID_COMPONENT", -1175: "RESET_SEQ_NUM_SUPPORT",
    -1182: "PARAMS_BAD_COMBO", -1188: "INCORRECT_NUM_IN_GROUP_COUNT", -1189: "DUPLICATE_ENTRIES_IN_A_GROUP",
    -1190: "INVALID_REQUEST_ID", -1191: "TOO_MANY_SUBSCRIPTIONS", -1196: "BUY_OCO_STOP_LOSS_MUST_BE_ABOVE",
    -1197: "SELL_OCO_STOP_LOSS_MUST_BE_BELOW", -1198: "BUY_OCO_TAKE_PROFIT_MUST_BE_BELOW",
    -1199: "SELL_OCO_TAKE_PROFIT_MUST_BE_ABOVE", -1210: "INVALID_PEG_PRICE_TYPE", -1211: "INVALID_PEG_OFFSET_TYPE",
    -1222: "OPO_WORKING_MUST_BE_BUY", -1223: "OPO_PENDING_MUST_BE_SELL", -1224: "WORKING_PARAM_REQUIRED",
    -1225: "PENDING_PARAM_NOT_REQUIRED",
}  # fmt: skip

_SESSIONS = {
    -1033: "COMP_ID_IN_USE", -1035: "LOGGED_OUT", -1176: "ALREADY_LOGGED_IN", -1177: "GARBLED_MESSAGE",
    -1178: "BAD_SENDER_COMPID", -1179: "BAD_SEQ_NUM", -1180: "EXPECTED_LOGON", -1181: "TOO_MANY_MESSAGES",
    -1183: "NOT_ALLOWED_IN_DROP_COPY_SESSIONS", -1184: "DROP_COPY_SESSION_NOT_ALLOWED",
    -1185: "DROP_COPY_SESSION_REQUIRED", -1186: "NOT_ALLOWED_IN_ORDER_ENTRY_SESSIONS",
    -1187: "NOT_ALLOWED_IN_MARKET_DATA_SESSIONS",
}  # fmt: skip

_OF_QUERIES = {
    -1120: "BAD_INTERVAL", -1122: "INVALID_SYMBOLSTATUS", -1127: "MORE_THAN_XX_HOURS", -1139: "INVALID_TICKER_TYPE",
    -1151: "DUPLICATE_SYMBOLS", -1152: "INVALID_SBE_HEADER", -1153: "UNSUPPORTED_SCHEMA_ID", -1155: "SBE_DISABLED",
    -1161: "DEPRECATED_SCHEMA", -1194: "INVALID_TIME_UNIT", -1220: "SYMBOL_DOES_NOT_MATCH_STATUS",
    -1221: "INVALID_SBE_MESSAGE_FIELD",
}  # fmt: skip

_OF_OTHER_REQUESTS = {
    -1125: "INVALID_LISTEN_KEY", -2016: "NO_TRADING_WINDOW", -2026: "ORDER_ARCHIVED", -2035: "SUBSCRIPTION_ACTIVE",
    -2036: "SUBSCRIPTION_INACTIVE", -2042: "MAXIMUM_SUBSCRIPTION_IDS", -2043: "NO_REFERENCE_PRICE",
}  # fmt: skip

_BEFORE_ENGINE = "checked before the request is handed to the matching engine"
_NO_PROMISE = "no promise that the request was not forwarded"
_LIMITER = "the limiter stands before everything else; wait as told"
_ANOTHER_QUESTION = "no answer that a placement can get, so it proves nothing about one"

CODES: tuple[Code, ...] = (
    *_codes(UNKNOWN, "worst case", _NO_PROMISE, {-1000: "UNKNOWN", -1001: "DISCONNECTED", -1016: "SERVICE_SHUTTING_DOWN"}),
    *_codes(UNKNOWN, "worst case", "overload; comes with a 5xx, which is unknown in any case", {-1008: "SERVER_BUSY"}),
    *_codes(UNKNOWN, "worst case", "no order should result, but nobody says where it is found out", {-1112: "NO_DEPTH"}),
    *_codes(UNKNOWN, "documented", "execution status unknown", {-1006: "UNEXPECTED_RESP", -1007: "TIMEOUT"}),
    *_codes(THROTTLED, "mechanism", _LIMITER, {-1003: "TOO_MANY_REQUESTS", -1015: "TOO_MANY_ORDERS"}),
    *_codes(THROTTLED, "mechanism", "the connection itself was not admitted", {-1034: "TOO_MANY_CONNECTIONS"}),
    *_codes(refused(Reason.VENUE_CREDENTIALS), "mechanism", "who asks is checked before anything is forwarded",
            {-1002: "UNAUTHORIZED", -1022: "INVALID_SIGNATURE", -2014: "BAD_API_KEY_FMT", -2015: "REJECTED_MBX_KEY"}),
    *_codes(refused(Reason.VENUE_CLOCK), "documented", "each of the three checks of the time refuses; may use order count",
            {-1021: "INVALID_TIMESTAMP"}),
    *_codes(refused(Reason.VENUE_FILTER), "documented", "the request didn't reach the matching engine",
            {-1013: "INVALID_MESSAGE"}),
    *_codes(refused(Reason.VENUE_FILTER), "mechanism", _BEFORE_ENGINE, {-1111: "BAD_PRECISION"}),
    *_codes(refused(Reason.VENUE_PARAMETER), "mechanism", _BEFORE_ENGINE, _PARAMETERS),
    *_codes(refused(Reason.VENUE_REJECTED), "mechanism", "about a session; given before the engine", _SESSIONS),
    *_codes(refused(Reason.VENUE_REJECTED), "documented", "the engine's own no to this request; its text decides, see below",
            {-1010: "ERROR_MSG_RECEIVED", -2010: "NEW_ORDER_REJECTED"}),
    *_codes(refused(Reason.VENUE_REJECTED), "documented", "the engine's own no to this request",
            {-2038: "ORDER_AMEND_REJECTED"}),
    *_codes(UNKNOWN, "documented", "of a cancel: filled, cancelled already, or a wrong id; ask about the order",
            {-2011: "CANCEL_REJECTED"}),
    *_codes(UNKNOWN, "documented", "of a query: its sources lag behind, so right after a doubt it proves no absence",
            {-2013: "NO_SUCH_ORDER"}),
    *_codes(UNKNOWN, "documented", "of a query by two ids that do not belong together", {-2039: "CLIENT_ORDER_ID_INVALID"}),
    *_codes(UNKNOWN, "documented", "of a cancel-replace, which the house does not send: one half was done",
            {-2021: "ORDER_CANCEL_REPLACE_PARTIALLY_FAILED"}),
    *_codes(UNKNOWN, "documented", "of a cancel-replace, which the house does not send: the old order may be open",
            {-2022: "ORDER_CANCEL_REPLACE_FAILED"}),
    *_codes(UNKNOWN, "mechanism", _ANOTHER_QUESTION, _OF_QUERIES),
    *_codes(UNKNOWN, "documented", _ANOTHER_QUESTION, _OF_OTHER_REQUESTS),
)  # fmt: skip
"""Every code the venue documents (and -1131, which its older documents list)."""

BY_CODE: Mapping[int, Verdict] = {code.number: code.verdict for code in CODES}
"""What each code means for the order of the request it answers. A code that is not here: UNKNOWN."""
