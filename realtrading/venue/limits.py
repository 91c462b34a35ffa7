"""How much the venue lets us ask: what it says it counted, and the silence it asks for."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from .answers import Answer
from .fields import from_ms
from .market_data import rate_limits
from .port import VenueGauges

_HEADER = re.compile(r"x-mbx-(used-weight|order-count)-([0-9]{1,4}[smhd])", re.IGNORECASE)
_KIND = {"used-weight": "weight", "order-count": "orders"}
_BANNED_UNTIL = re.compile(r"banned until ([0-9]{13})\b")
_SILENCE_MAX = timedelta(days=3)
"""The longest ban the venue documents; a longer wish is not believed."""
_UNSAID_S = {429: 10, 418: 120}
"""Seconds of silence when the venue refuses without saying for how long; 120 is the shortest ban."""
READS_SHARE = 0.8
"""Routine reads stop at this share of the minute's weight: what is left belongs to orders, cancels and their fates."""
_MINUTE_S = 60
ORDERS_WINDOW_S = 10


class Limits:
    """Reads every answer's counts into the gauges and knows until when nothing may be sent.

    A silence is kept by the monotonic clock: whoever sets the other one neither ends it early nor makes it last. The
    gauges get a new dict for each change: the scrape walks over them from another thread.
    """

    def __init__(self, gauges: VenueGauges, utc: Callable[[], datetime], mono: Callable[[], float]) -> None:
        self._gauges = gauges
        self._utc = utc
        self._mono = mono
        self._silent_until_mono = 0.0
        self._weight_minute = -1
        self._sent_mono: deque[float] = deque()

    def silent_until(self) -> datetime | None:
        """The end of the present silence, our UTC; None when requests are welcome."""
        left_s = self._silent_until_mono - self._mono()
        return self._utc() + timedelta(seconds=left_s) if left_s > 0 else None

    def note_order_sent(self) -> None:
        """An order is about to leave: counted here too, since the venue's count comes with its answer, after many more."""
        self._sent_mono.append(self._mono())

    def orders_are_over(self) -> bool:
        """True when the orders of these ten seconds have used the share that new exposure may have."""
        now_mono = self._mono()
        while self._sent_mono and now_mono - self._sent_mono[0] > ORDERS_WINDOW_S:
            self._sent_mono.popleft()
        maximum = self._gauges.maximum.get("orders_10s")
        return maximum is not None and len(self._sent_mono) >= maximum * READS_SHARE

    def reads_are_over(self) -> bool:
        """True when this minute's weight is used up to the share that reads may have."""
        used, maximum = self._gauges.used.get("weight_1m", 0), self._gauges.maximum.get("weight_1m")
        return maximum is not None and self._minute() == self._weight_minute and used >= maximum * READS_SHARE

    def note_headers(self, headers: Mapping[str, str]) -> None:
        """Counts in the headers of a REST answer."""
        for name, value in headers.items():
            match = _HEADER.fullmatch(name)
            if match is not None and re.fullmatch(r"[0-9]{1,9}", value, re.ASCII):
                self._note(f"{_KIND[match[1].lower()]}_{match[2].lower()}", int(value))

    def note_counts(self, rows: object) -> None:
        """Counts in the `rateLimits` of a WebSocket API answer."""
        for name, count in rate_limits(rows, "count").items():
            self._note(name, count)

    def note_maximum(self, rows: object) -> None:
        """The limits themselves, as exchangeInfo tells them."""
        self._gauges.maximum = {**self._gauges.maximum, **rate_limits(rows, "limit")}

    def note_answer(self, answer: Answer) -> None:
        """Begin or lengthen the silence when the answer asks for it.

        -1015 counts orders, not requests: without a Retry-After it silences nothing.
        """
        if answer.status not in _UNSAID_S or (answer.code == -1015 and answer.retry_after_s is None):
            return
        now = self._utc()
        silence = min(self._wish(answer, now) - now, _SILENCE_MAX)
        until_mono = self._mono() + silence.total_seconds()
        if until_mono > self._silent_until_mono:
            self._silent_until_mono, self._gauges.silent_until_utc = until_mono, now + silence

    def _wish(self, answer: Answer, now: datetime) -> datetime:
        if answer.retry_after_s is not None:
            return now + timedelta(seconds=answer.retry_after_s)
        banned = _BANNED_UNTIL.search(answer.message)
        if answer.retry_at_ms is not None or banned is not None:
            return from_ms(answer.retry_at_ms if answer.retry_at_ms is not None else int(banned[1]))  # type: ignore[index]
        return now + timedelta(seconds=_UNSAID_S[answer.status])

    def _note(self, name: str, count: int) -> None:
        self._gauges.used = {**self._gauges.used, name: count}
        if name == "weight_1m":
            self._weight_minute = self._minute()

    def _minute(self) -> int:
        return int(self._utc().timestamp()) // _MINUTE_S
