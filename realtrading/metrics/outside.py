"""The families about the exchange and its streams."""
from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from realtrading.actors.tally import CODES, REASONS_LOST
from realtrading.runtime.metrics import Family

from .shape import counted, family, moment, observed, single
from .view import View

STREAMS = ("user_data", "market")
EVENTS = (("user_data", "execution"), ("user_data", "account"), ("user_data", "flow"), ("market", "quote"))


def exchange(view: View) -> Iterator[Family]:
    """Requests, errors, limits, clock."""
    tally, gauges = view.tally, view.gauges
    yield family("exchange_requests_total", dict(tally.requests))
    yield family("exchange_request_duration_seconds", observed(tally.request_seconds))
    codes = ((code,) for code in sorted((*CODES, "other")))
    yield family("exchange_errors_total", counted(codes, tally.errors))
    yield family("exchange_rate_limit_used", {(name,): used for name, used in gauges.used.items()})
    yield family("exchange_rate_limit_max", {(name,): most for name, most in gauges.maximum.items()})
    until = gauges.silent_until_utc
    yield single("exchange_backoff_until_timestamp_seconds", 0 if until is None else until.timestamp())
    yield single("exchange_clock_offset_seconds", gauges.clock_offset_s)
    yield moment("exchange_filters_timestamp_seconds", tally.rules_at)
    yield family("exchange_oddities_total", {(kind,): count for kind, count in gauges.oddities.copy().items()})


def streams(view: View) -> Iterator[Family]:
    """What is heard, and since when not."""
    tally, gauges = view.tally, view.gauges
    yield family("stream_connected", counted(product(STREAMS), tally.connected))
    yield family("stream_reconnects_total", counted(product(STREAMS, REASONS_LOST), tally.reconnects))
    yield family("stream_events_total", counted(EVENTS, gauges.heard.copy()))
    heard_at = {(stream,): at.timestamp() for stream, at in gauges.heard_at.copy().items()}
    yield family("stream_last_event_timestamp_seconds", heard_at)
    yield family("stream_gaps_total", counted([("user_data",)], tally.gaps))
    quotes = {(quote.symbol,): quote.at.timestamp() for quote in view.quotes.values()}
    yield family("quote_timestamp_seconds", quotes)
