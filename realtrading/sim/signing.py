"""Who sent a request and when: API keys, HMAC signatures and the timestamp window, as Binance checks them."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping

from attrs import field, frozen

from .errors import BinanceError, mandatory_missing

RECV_WINDOW_DEFAULT_MS = 5_000
RECV_WINDOW_MAX_MS = 60_000
AHEAD_MAX_MS = 1_000
YEAR_2017_MS = 1_483_228_800_000
_MICROS_FROM = 100_000_000_000_000  # milliseconds reach this in the year 5138: anything larger is microseconds
_KEY_FORM = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TIMESTAMP_FORM = re.compile(r"[0-9]{1,20}")
_RECV_WINDOW_FORM = re.compile(r"[0-9]{1,12}(\.[0-9]{1,3})?")


@frozen
class Credentials:
    """One API key: who it speaks for and the HMAC secret it signs with."""

    key: str
    secret: str = field(repr=False)
    uid: int


class KeyRing:
    """The API keys this exchange knows."""

    def __init__(self, credentials: Iterable[Credentials]) -> None:
        self._by_key = {each.key: each for each in credentials}

    def find(self, key: str | None) -> Credentials:
        """The owner of `key`; raises -2014 when it is missing or malformed, -2015 when it is not known."""
        if key is None or not _KEY_FORM.fullmatch(key):
            raise BinanceError(-2014, "API-key format invalid.", 401)
        known = self._by_key.get(key)
        if known is None:
            raise BinanceError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        return known


def hmac_hex(secret: str, payload: bytes) -> str:
    """HMAC-SHA256 of `payload` in lower-case hex."""
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


def rest_payload(query: str, body: bytes) -> bytes:
    """What a REST request signs: raw query string then raw body, each without its `signature` pair, nothing between."""
    return _unsigned(query.encode("utf-8", "surrogateescape")) + _unsigned(body)


def ws_payload(params: Mapping[str, object]) -> bytes:
    """What a WebSocket API request signs: parameters but the signature, sorted by name, raw UTF-8, never encoded."""
    pairs = sorted((name, value) for name, value in params.items() if name != "signature")
    return "&".join(f"{name}={text_of(value)}" for name, value in pairs).encode("utf-8", "surrogatepass")


def text_of(value: object) -> str:
    """A JSON scalar as it reads on the wire (`true`, not `True`)."""
    if value is True or value is False:
        return "true" if value else "false"
    return "null" if value is None else str(value)


def check_signature(credentials: Credentials, payload: bytes, given: str) -> None:
    """Raise -1022 unless `given` (hex, any case) is the signature of `payload` under this key's secret."""
    expected = hmac_hex(credentials.secret, payload)
    if not hmac.compare_digest(expected.encode(), given.lower().encode("utf-8", "surrogatepass")):
        raise BinanceError(-1022, "Signature for this request is not valid.")


def check_timing(params: Mapping[str, str], now_ms: int) -> None:
    """Raise unless the request's timestamp is inside its recvWindow at `now_ms`.

    -1102: timestamp missing or malformed; -1131: recvWindow too large; -1021: too old, or more than a second ahead.
    """
    stamp = params.get("timestamp", "")
    if not _TIMESTAMP_FORM.fullmatch(stamp):
        raise mandatory_missing("timestamp")
    window_us = _recv_window_us(params.get("recvWindow"))
    stamp_us = int(stamp) if int(stamp) >= _MICROS_FROM else int(stamp) * 1000
    if stamp_us >= (now_ms + AHEAD_MAX_MS) * 1000:
        raise BinanceError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms * 1000 - stamp_us > window_us or stamp_us < YEAR_2017_MS * 1000:
        raise BinanceError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _recv_window_us(given: str | None) -> int:
    if given is None:
        return RECV_WINDOW_DEFAULT_MS * 1000
    if not _RECV_WINDOW_FORM.fullmatch(given):
        raise mandatory_missing("recvWindow")
    whole, _, thousandths = given.partition(".")
    window_us = int(whole) * 1000 + int(thousandths.ljust(3, "0") or "0")
    if window_us > RECV_WINDOW_MAX_MS * 1000:
        raise BinanceError(-1131, f"recvWindow must be less than {RECV_WINDOW_MAX_MS}.")
    return window_us


def _unsigned(part: bytes) -> bytes:
    return b"&".join(pair for pair in part.split(b"&") if not pair.startswith(b"signature="))
