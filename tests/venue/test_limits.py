"""The venue's limits and clock over real sockets: silence when it asks for it, signing by its time."""

from datetime import UTC, datetime, timedelta

import pytest

from matrix.evidence import judged
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import (
    ClockMeasured,
    LookupFailed,
    OrderLookedUp,
    PlacementRefused,
)
from realtrading.errors import VenueRefused, VenueThrottled
from realtrading.venue.answers import Answer
from realtrading.venue.limits import Limits
from realtrading.venue.port import VenueGauges
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


@pytest.mark.matrix("C8", invariants="G11")
def test_counts_are_read_from_every_answer_and_routine_reads_leave_a_reserve() -> None:
    """Headers of refusals count too; at 80 % of the minute's weight snapshots stop, orders and their lookups go on."""

    async def scenario() -> None:
        async with stage() as on:
            limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}]
            symbol = {"symbol": SYMBOL, "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING", "filters": []}
            on.exchange.answer("GET", "exchangeInfo", {"rateLimits": limits, "symbols": [symbol]})
            assert (await on.venue.rules([SYMBOL])).rules[0].base == "BTC"
            assert on.venue.gauges.maximum == {"weight_1m": 6000}
            headers = {"x-mbx-used-weight-1m": "4800", "X-MBX-ORDER-COUNT-10S": "7", "X-MBX-ORDER-COUNT-1D": "x"}
            on.exchange.answer("POST", "order", ERROR, 400, headers)
            on.exchange.answer("GET", "order", ROW)
            # the minute may turn between the two requests, which frees the reads again
            for _ in range(2):
                minute = datetime.now(UTC).minute
                await on.venue.place(order())
                asked = len(on.exchange.asked)
                answer = await on.venue.snapshot(snap())
                if datetime.now(UTC).minute == minute:
                    break
            with judged("G11"):
                assert on.venue.gauges.used == {"weight_1m": 4800, "orders_10s": 7}
                assert isinstance(answer, LookupFailed)
                assert "used up" in answer.detail
                assert len(on.exchange.asked) == asked
            assert isinstance(await on.venue.query(query()), OrderLookedUp)
            assert isinstance(await on.venue.place(order()), PlacementRefused)

    run(scenario())


@pytest.mark.matrix("F10", invariants="G11")
def test_new_exposure_stops_at_four_fifths_of_the_order_count() -> None:
    """Counted as they leave, since the answers of a burst come after all of it: ten in ten seconds allow eight; what only
    reduces may use the rest."""

    async def scenario() -> None:
        async with stage() as on:
            limits = [{"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 10}]
            symbol = {"symbol": SYMBOL, "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING", "filters": []}
            on.exchange.answer("GET", "exchangeInfo", {"rateLimits": limits, "symbols": [symbol]})
            await on.venue.rules([SYMBOL])
            on.exchange.answer("POST", "order", full_answer())
            answers = [await on.venue.place(order()) for _ in range(20)]
            with judged("G11"):
                refused = [each for each in answers if isinstance(each, PlacementRefused)]
                assert len(refused) == 12
                assert {(each.reason, each.sent) for each in refused} == {(Reason.VENUE_THROTTLED, False)}
                assert not isinstance(await on.venue.place(order(), unheard=True), PlacementRefused)
                assert on.exchange.count("POST", "order") == 9

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


def test_a_refused_subscription_time_is_measured_before_the_next_try() -> None:
    """Connecting with a wrong clock fails, and the next try finds it right."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.clock_ahead_ms = 30_000
            good = on.exchange.subscribe_reply
            on.exchange.subscribe_reply = {"status": 400, "error": {"code": -1021, "msg": "Timestamp is outside."}}
            with pytest.raises(VenueRefused, match="-1021"):
                await on.venue.connect(1, on.heard)
            on.exchange.subscribe_reply = good
            await on.venue.connect(2, on.heard)
            stamps = [each["params"]["timestamp"] for each in on.exchange.said]
            assert 29_000 < stamps[1] - stamps[0] < 40_000

    run(scenario())


def limits_at(now: list[datetime], set_by: list[timedelta] | None = None) -> tuple[Limits, VenueGauges]:
    """Limits whose clocks show the one item of `now`; the one for people is set wrong by the item of `set_by`."""
    gauges = VenueGauges()
    wrong = [timedelta()] if set_by is None else set_by
    return Limits(gauges, lambda: now[0] + wrong[0], lambda: (now[0] - NOON).total_seconds()), gauges


NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Answer(status=429, code=-1003, retry_after_s=7), 7),
        (Answer(status=429, code=-1003), 10),
        (Answer(status=418, code=-1003), 120),
        (Answer(status=418, code=-1003, retry_after_s=10**9), 3 * 86400),
        (Answer(status=418, code=-1003, message=f"IP banned until {int(NOON.timestamp() * 1000) + 5000}."), 5),
        (Answer(status=429, code=-1003, retry_at_ms=int(NOON.timestamp() * 1000) + 6000), 6),
        (Answer(status=429, code=-1015, retry_after_s=3), 3),
        (Answer(status=429, code=-1015), None),
        (Answer(status=403), None),
        (Answer(status=503, retry_after_s=9), None),
        (Answer(status=200, payload={}), None),
    ],
    ids=str,
)
def test_how_long_a_silence_lasts(answer: Answer, seconds: int | None) -> None:
    """Header, text, epoch or a careful default; absurd wishes are capped at the longest documented ban."""
    now = [NOON]
    limits, gauges = limits_at(now)
    limits.note_answer(answer)
    if seconds is None:
        assert limits.silent_until() is None
        return
    assert limits.silent_until() == gauges.silent_until_utc == NOON + timedelta(seconds=seconds)
    limits.note_answer(Answer(status=429, code=-1003, retry_after_s=1))
    assert limits.silent_until() == NOON + timedelta(seconds=seconds)
    now[0] = NOON + timedelta(seconds=seconds)
    assert limits.silent_until() is None


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1)], ids=str)
def test_a_clock_that_is_set_neither_ends_a_silence_nor_makes_it_last(step: timedelta) -> None:
    """A silence of 5 s lasts 5 s, whatever somebody does to the clock on the wall."""
    now, set_by = [NOON], [timedelta()]
    limits, _gauges = limits_at(now, set_by)
    limits.note_answer(Answer(status=429, code=-1003, retry_after_s=5))
    set_by[0] = step
    now[0] = NOON + timedelta(seconds=4)
    assert limits.silent_until() == NOON + step + timedelta(seconds=5)
    now[0] = NOON + timedelta(seconds=5)
    assert limits.silent_until() is None


def test_used_weight_is_forgotten_with_its_minute() -> None:
    """A full minute stops routine reads only until the clock shows the next one."""
    now = [NOON + timedelta(seconds=58)]
    limits, _gauges = limits_at(now)
    limits.note_headers({"X-MBX-USED-WEIGHT-1M": "5000"})
    assert not limits.reads_are_over()
    row = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
    limits.note_maximum([row])
    assert limits.reads_are_over()
    now[0] = NOON + timedelta(seconds=61)
    assert not limits.reads_are_over()
