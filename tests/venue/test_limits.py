"""The venue's limits and clock over real sockets: silence when it asks for it, signing by its time."""

from datetime import UTC, datetime, timedelta

import pytest

from realtrading.domain.reasons import Reason
from realtrading.domain.reports import (
    ClockMeasured,
    LookupFailed,
    OrderLookedUp,
    PlacementRefused,
)
from realtrading.errors import VenueThrottled
from venue.loopback import CANCEL, ROW, SYMBOL, full_answer, order, query, run, snap, stage, until

ERROR = {"code": -2010, "msg": "Account has insufficient balance for requested action."}


@pytest.mark.parametrize(("status", "code"), [(429, -1003), (418, -1003), (429, -1015)])
def test_retry_after_is_honoured_by_everything(status: int, code: int) -> None:
    """After a 429 or 418 nothing at all is sent until the venue's time is over, and everybody is told so at once."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("POST", "order", {"code": code, "msg": "Too many."}, status, {"Retry-After": "30"})
            first = await on.venue.place(order())
            assert isinstance(first, PlacementRefused)
            assert (first.reason, first.sent) == (Reason.VENUE_THROTTLED, True)
            until_utc = on.venue.gauges.silent_until_utc
            assert until_utc is not None
            assert timedelta(seconds=25) < until_utc - datetime.now(UTC) <= timedelta(seconds=30)
            asked = len(on.exchange.asked)
            second = await on.venue.place(order(2))
            assert isinstance(second, PlacementRefused)
            assert (second.reason, second.sent) == (Reason.VENUE_THROTTLED, False)
            assert isinstance(await on.venue.query(query()), LookupFailed)
            assert isinstance(await on.venue.snapshot(snap()), LookupFailed)
            assert isinstance(await on.venue.measure_clock(), LookupFailed)
            assert not (await on.venue.cancel(CANCEL)).certain
            for call in (on.venue.account_uid(), on.venue.rules([SYMBOL]), on.venue.connect(2, on.heard)):
                with pytest.raises(VenueThrottled) as throttled:
                    await call
                assert throttled.value.retry_at_ms == int(until_utc.timestamp() * 1000)
            assert len(on.exchange.asked) == asked

    run(scenario())


def test_too_many_orders_silence_only_orders() -> None:
    """-1015 without Retry-After counts orders: reads go on."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("POST", "order", {"code": -1015, "msg": "Too many new orders."}, 429)
            on.exchange.answer("GET", "order", ROW)
            answer = await on.venue.place(order())
            assert isinstance(answer, PlacementRefused)
            assert answer.reason is Reason.VENUE_THROTTLED
            assert isinstance(await on.venue.query(query()), OrderLookedUp)

    run(scenario())


def test_counts_are_read_from_every_answer_and_reads_leave_a_reserve() -> None:
    """Headers of refusals count too; at 80 % of the minute's weight reads stop and orders go on."""

    async def scenario() -> None:
        async with stage() as on:
            limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}]
            symbol = {"symbol": SYMBOL, "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING", "filters": []}
            on.exchange.answer("GET", "exchangeInfo", {"rateLimits": limits, "symbols": [symbol]})
            assert (await on.venue.rules([SYMBOL])).rules[0].base == "BTC"
            assert on.venue.gauges.maximum == {"weight_1m": 6000}
            headers = {"x-mbx-used-weight-1m": "4800", "X-MBX-ORDER-COUNT-10S": "7", "X-MBX-ORDER-COUNT-1D": "x"}
            on.exchange.answer("POST", "order", ERROR, 400, headers)
            # the minute may turn between the two requests, which frees the reads again
            for _ in range(2):
                minute = datetime.now(UTC).minute
                await on.venue.place(order())
                answer = await on.venue.query(query())
                if datetime.now(UTC).minute == minute:
                    break
            assert on.venue.gauges.used == {"weight_1m": 4800, "orders_10s": 7}
            assert isinstance(answer, LookupFailed)
            assert on.exchange.count("GET", "order") == 0
            assert isinstance(await on.venue.place(order()), PlacementRefused)

    run(scenario())


def test_the_clock_is_measured_and_signed_by() -> None:
    """A server 90 s ahead is found out within a few milliseconds, and the next order is stamped with its time."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.clock_ahead_ms = 90_000
            on.exchange.answer("POST", "order", full_answer())
            measured = await on.venue.measure_clock()
            assert isinstance(measured, ClockMeasured)
            assert abs(measured.offset_s - 90) <= measured.uncertainty_s + 0.001
            assert on.venue.gauges.clock_offset_s == measured.offset_s
            now = datetime.now(UTC)
            assert abs((on.venue.server_time(now) - now).total_seconds() - 90) < 1
            await on.venue.place(order())
            stamp = int(on.exchange.asked[-1].params["timestamp"])
            assert abs(stamp - (datetime.now(UTC).timestamp() + 90) * 1000) < 5000

    run(scenario())


def test_a_refused_timestamp_is_measured_again() -> None:
    """-1021: the order is refused (VENUE_CLOCK) and never re-sent; reads and cancels are, once the clock is measured."""

    async def scenario() -> None:
        async with stage() as on:
            late = (400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."})
            on.exchange.clock_ahead_ms = -40_000
            on.exchange.answer("POST", "order", late[1], 400)
            answer = await on.venue.place(order())
            assert isinstance(answer, PlacementRefused)
            assert answer.reason is Reason.VENUE_CLOCK
            await until(lambda: on.venue.gauges.clock_offset_s is not None, "a measurement")
            assert abs(on.venue.gauges.clock_offset_s + 40) < 1
            assert on.exchange.count("POST", "order") == 1
            on.exchange.in_turn("GET", "order", late, ROW)
            assert isinstance(await on.venue.query(query()), OrderLookedUp)
            on.exchange.in_turn("DELETE", "order", late, full_answer(status="CANCELED", origClientOrderId="rt_1_demo_n1"))
            assert (await on.venue.cancel(CANCEL)).certain
            assert (on.exchange.count("GET", "order"), on.exchange.count("DELETE", "order")) == (2, 2)

    run(scenario())
