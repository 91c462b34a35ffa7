"""A generation over a real socket: everything said is heard in order, and its end is told exactly once, whatever the reason."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from realtrading.domain.reports import (
    AccountReported,
    ExecutionReported,
    PlacementAcknowledged,
    PlacementRefused,
    StreamLost,
)
from realtrading.errors import VenueRefused, VenueThrottled, VenueUnknown
from realtrading.venue import sockets, streams
from venue.loopback import KEY, SECRET, Heard, Loopback, Stage, full_answer, order, run, stage, until

SHUTDOWN = {"e": "serverShutdown", "E": 1770123456789}
REVOKED = {"id": None, "status": 401, "error": {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}}
LATE = {"id": "gone", "status": 504, "error": {"code": -1007, "msg": "Timeout waiting for response."}}


def position(number: int) -> dict[str, Any]:
    """An account event that can be told from others by its amount."""
    return {"e": "outboundAccountPosition", "E": 1, "u": 1564034571073, "B": [{"a": "BTC", "f": str(number), "l": "0"}]}


def enveloped(event: object, subscription: int = 0) -> str:
    return json.dumps({"subscriptionId": subscription, "event": event})


def numbers(heard: Heard) -> list[int]:
    """The amounts of the account events heard, in order."""
    return [int(each.balances["BTC"][0]) for each in heard.of(AccountReported)]


def test_the_subscription_is_signed_as_the_websocket_api_wants() -> None:
    """`userDataStream.subscribe.signature` with an HMAC over the sorted parameters and our 3 s recvWindow."""

    async def scenario() -> None:
        async with stage() as on:
            [said] = on.exchange.said
            assert said["method"] == "userDataStream.subscribe.signature"
            params = said["params"]
            given = params.pop("signature")
            payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
            assert given == hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
            assert (params["apiKey"], params["recvWindow"]) == (KEY, 3000)

    run(scenario())


def test_events_of_the_subscribes_own_burst_are_not_lost() -> None:
    """What arrives before and right behind the subscription's answer is delivered, once and in order."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.before_reply = [enveloped(position(number)) for number in (1, 2)]
            on.exchange.after_reply = [enveloped(position(number)) for number in range(3, 200)]
            await on.venue.connect(1, on.heard)
            await on.exchange.event(position(200))
            await until(lambda: len(on.heard.reports) >= 200, "200 events")
            assert numbers(on.heard) == list(range(1, 201))

    run(scenario())


async def _cut(on: Stage) -> None:
    on.exchange.cut()


async def _close(on: Stage) -> None:
    await on.exchange.sockets[-1].close()


async def _terminated(on: Stage) -> None:
    await on.exchange.event({"e": "eventStreamTerminated", "E": 1728973001334})


async def _shutdown(on: Stage) -> None:
    await on.exchange.say(json.dumps({"event": SHUTDOWN}))


async def _bare_shutdown(on: Stage) -> None:
    await on.exchange.say(json.dumps(SHUTDOWN))


async def _error_event(on: Stage) -> None:
    await on.exchange.event({"e": "error", "type": "ConnectionClosedError", "m": "x"})


async def _revoked(on: Stage) -> None:
    await on.exchange.say(json.dumps(REVOKED))


async def _too_large(on: Stage) -> None:
    await on.exchange.say(" " * (17 * 1024 * 1024))


async def _bad_utf8(on: Stage) -> None:
    await on.exchange.sockets[-1]._writer.send_frame(b"\xff\xfe", 1)  # type: ignore[union-attr]


async def _another(on: Stage) -> None:
    await on.venue.connect(2, Heard())


async def _closed(on: Stage) -> None:
    await on.venue.close()


ENDS = [
    _cut, _close, _terminated, _shutdown, _bare_shutdown, _error_event, _revoked, _too_large, _bad_utf8, _another, _closed,
]  # fmt: skip


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__.strip("_"))
def test_the_end_is_told_exactly_once(end: Callable[[Stage], Awaitable[None]]) -> None:
    """Each way in which a generation can end gives one `StreamLost` of its number, last of all; a new one then works."""

    async def scenario() -> None:
        async with stage() as on:
            await on.exchange.event(position(1))
            await until(lambda: numbers(on.heard), "the event")
            await end(on)
            await until(lambda: on.heard.of(StreamLost), "the loss")
            again = Heard()
            if end is not _closed:
                await on.venue.connect(3, again)
                await on.exchange.event(position(9))
                await until(lambda: numbers(again) == [9], "an event of the next generation")
            await on.venue.close()
            assert [type(each) for each in on.heard.reports] == [AccountReported, StreamLost]
            lost = on.heard.reports[-1]
            assert isinstance(lost, StreamLost)
            assert lost.generation == 1
            assert lost.detail
            assert [each.generation for each in again.of(StreamLost)] == ([] if end is _closed else [3])

    run(scenario())


def test_nothing_is_placed_after_the_loss() -> None:
    """The moment the loss is told, placements are refused."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("POST", "order", full_answer())
            assert isinstance(await on.venue.place(order()), PlacementAcknowledged)
            await _shutdown(on)
            await until(lambda: on.heard.of(StreamLost), "the loss")
            assert isinstance(await on.venue.place(order()), PlacementRefused)
            assert on.exchange.count("POST", "order") == 1

    run(scenario())


def test_answers_nobody_waits_for_are_counted_and_the_stream_lives() -> None:
    """A late -1007, a late success and an answer with a number for an id end nothing."""

    async def scenario() -> None:
        async with stage() as on:
            for frame in (LATE, {"id": "gone", "status": 200, "result": {}}, {"id": 7, "status": 200}, LATE):
                await on.exchange.say(json.dumps(frame))
            await on.exchange.event(position(1))
            await until(lambda: numbers(on.heard) == [1], "the event after them")
            assert on.venue.gauges.oddities == {"stray_reply": 4}
            assert on.heard.of(StreamLost) == []

    run(scenario())


BROKEN_FRAMES = [
    "", "x", "[]", "3", "null", '{"a": NaN}', '{"subscriptionId": 0, "event": null}', '{"subscriptionId": 0, "event": []}',
    '{"subscriptionId": true, "event": {"e": 5}}', '{"event": 3}', "{}", '{"id": null}', "[" * 100_000, '{"e": "news"}',
    '{"subscriptionId": 0, "event": {"e": "executionReport", "q": 1e400}}', "9" * 10_000,
]  # fmt: skip


def test_broken_frames_are_counted_and_the_stream_lives() -> None:
    """No text frame, however strange, ends the stream or raises; each is counted."""

    async def scenario() -> None:
        async with stage() as on:
            for frame in BROKEN_FRAMES:
                await on.exchange.say(frame)
            await on.exchange.sockets[-1].send_bytes(b"\x00\x01")
            await on.exchange.event(position(1))
            await until(lambda: numbers(on.heard) == [1], "the event after them")
            counted = on.venue.gauges.oddities
            assert set(counted) == {"malformed_frame", "malformed_event"}
            assert sum(counted.values()) == len(BROKEN_FRAMES) + 1
            assert on.heard.reports == on.heard.of(AccountReported)

    run(scenario())


def test_a_broken_report_is_logged_without_its_contents(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the kind and the field, never an amount or an id."""

    async def scenario() -> None:
        async with stage() as on:
            await on.exchange.event({"e": "executionReport", "c": "private-id", "q": "NaN", "p": "64000.5"})
            await until(lambda: on.venue.gauges.oddities, "the count")

    run(scenario())
    assert "executionReport" in caplog.text
    assert "private-id" not in caplog.text
    assert "64000" not in caplog.text


def test_the_counts_in_answers_reach_the_gauges() -> None:
    """`rateLimits` of the subscription's answer are kept."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            row = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 70}
            on.exchange.subscribe_reply = {"status": 200, "result": {"subscriptionId": 0}, "rateLimits": [row]}
            await on.venue.connect(1, on.heard)
            assert on.venue.gauges.used == {"weight_1m": 70}

    run(scenario())


def test_a_line_that_went_dead_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket is open but pings stay unanswered: lost after ping interval plus timeout (10 s + 10 s in production)."""
    assert (sockets.PING_EVERY_S, sockets.PONG_WITHIN_S) == (10.0, 10.0)
    monkeypatch.setattr(sockets, "PING_EVERY_S", 0.05)
    monkeypatch.setattr(sockets, "PONG_WITHIN_S", 0.05)

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.answers_pings = False
            await on.venue.connect(1, on.heard)
            await until(lambda: on.heard.of(StreamLost), "the loss")
            assert len(on.heard.reports) == 1

    run(scenario())


def test_an_old_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour before the venue would cut it, the generation ends by our own hand."""
    assert streams.LIFETIME_S == 23 * 3600
    monkeypatch.setattr(streams, "LIFETIME_S", 0.05)

    async def scenario() -> None:
        async with stage() as on:
            await until(lambda: on.heard.of(StreamLost), "the loss")
            assert "23 h" in on.heard.of(StreamLost)[0].detail

    run(scenario())


def test_a_listener_that_fails_ends_the_generation() -> None:
    """An event that could not be handed on is an event missed: the stream is over, not silently incomplete."""

    async def scenario() -> None:
        async with stage(connected=False) as on:

            def deliver(report: Any) -> None:
                on.heard(report)
                if isinstance(report, AccountReported):
                    raise RuntimeError("mailbox is full")

            await on.venue.connect(1, deliver)
            await on.exchange.event(position(1))
            await on.exchange.event(position(2))
            await until(lambda: on.heard.of(StreamLost), "the loss")
            assert [type(each) for each in on.heard.reports] == [AccountReported, StreamLost]

    run(scenario())


# -- connecting that fails --------------------------------------------------------------


async def fails_to_connect(on: Stage, error: type[Exception], match: str) -> None:
    """It raises `error`, tells no loss (nothing had begun), places nothing, and the next try works."""
    with pytest.raises(error, match=match):
        await asyncio.wait_for(on.venue.connect(1, on.heard), 5)
    assert on.heard.reports == []
    assert isinstance(await on.venue.place(order()), PlacementRefused)


@pytest.mark.parametrize(
    ("reply", "error", "match"),
    [
        ({"status": 401, "error": {"code": -2015, "msg": "Invalid API-key."}}, VenueRefused, "-2015"),
        ({"status": 400, "error": {"code": -1022, "msg": "Signature is not valid."}}, VenueRefused, "-1022"),
        ({"status": 500, "error": {"code": -1000, "msg": "x"}}, VenueUnknown, "-1000"),
        ({"status": 200, "result": {}}, VenueUnknown, "subscriptionId"),
        ({"status": 200}, VenueUnknown, "200"),
        ({"status": "x", "error": "y"}, VenueUnknown, "user stream"),
        ({"status": 418, "error": {"code": -1003, "msg": "banned", "data": {"retryAfter": 1}}}, VenueThrottled, "-1003"),
    ],
)
def test_a_refused_subscription(reply: dict[str, Any], error: type[Exception], match: str) -> None:
    """The venue's answer names the culprit; afterwards a good answer connects."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            good, on.exchange.subscribe_reply = on.exchange.subscribe_reply, reply
            await fails_to_connect(on, error, match)
            on.exchange.subscribe_reply = good
            await on.venue.connect(2, on.heard)
            await on.exchange.event(position(3))
            await until(lambda: on.heard.reports, "an event")
            assert numbers(on.heard) == [3]

    run(scenario())


def test_a_subscription_whose_connection_is_cut() -> None:
    """Who waits for the subscription's answer hears of the end at once, not after a timeout."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.subscribe_reply = None
            connecting = asyncio.create_task(fails_to_connect(on, VenueUnknown, "connection ended"))
            await until(lambda: on.exchange.said, "the subscription")
            on.exchange.cut()
            await connecting
            assert len(on.exchange.sockets) == 1

    run(scenario())


def test_a_handshake_that_is_refused() -> None:
    """A 429 at the door begins the silence; a redirect is not followed; a port where nobody listens is unknown."""

    async def scenario() -> None:
        other = Loopback()
        await other.start()
        try:
            async with stage(connected=False) as on:

                async def moved(request: web.Request) -> web.StreamResponse:
                    return web.Response(status=307, headers={"Location": other.urls.ws_api})

                async def slower(request: web.Request) -> web.StreamResponse:
                    return web.Response(status=429, headers={"Retry-After": "20"})

                on.exchange.handshake = moved
                await fails_to_connect(on, VenueUnknown, "307")
                assert other.said == []
                on.exchange.handshake = slower
                await fails_to_connect(on, VenueThrottled, "429")
                assert on.venue.gauges.silent_until_utc is not None
            async with stage(connected=False) as on:
                await on.exchange.stop()
                await fails_to_connect(on, VenueUnknown, "never reached")
                await on.exchange.start()
        finally:
            await other.stop()

    run(scenario())


def test_a_given_up_connect_leaves_nothing() -> None:
    """Cancelling `connect` in the middle leaves no task behind once the venue is closed."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.subscribe_reply = None
            connecting = asyncio.create_task(on.venue.connect(1, on.heard))
            await until(lambda: on.exchange.said, "the subscription")
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            await on.venue.close()
            assert on.heard.reports == []
            ours = [each for each in asyncio.all_tasks() if "realtrading" in repr(each.get_coro())]
            assert ours == []

    run(scenario())


def test_two_connects_at_once_leave_the_later_one() -> None:
    """The earlier one fails, the later one lives and hears."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            first, second = Heard(), Heard()
            results = await asyncio.gather(on.venue.connect(1, first), on.venue.connect(2, second), return_exceptions=True)
            assert isinstance(results[0], VenueUnknown)
            assert results[1] is None
            for socket in on.exchange.sockets:
                if not socket.closed:
                    await socket.send_str(enveloped(position(4)))
            await until(lambda: numbers(second) == [4], "the event")
            assert first.of(ExecutionReported) == []

    run(scenario())
