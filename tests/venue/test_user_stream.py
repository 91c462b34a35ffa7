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
    EventUnreadable,
    ExecutionReported,
    PlacementAcknowledged,
    PlacementRefused,
    PlacementUnknown,
    StreamLost,
)
from realtrading.errors import VenueRefused, VenueThrottled, VenueUnknown
from realtrading.venue import sockets, streams, ws_api
from realtrading.venue.port import StreamEnding
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


@pytest.mark.parametrize(
    ("reply", "ends"),
    [
        ({"status": 200, "result": [{"subscriptionId": 0}]}, False),
        ({"status": 200, "result": [{"subscriptionId": 3}, {"subscriptionId": 0}]}, False),
        ({"status": 200, "result": []}, True),
        ({"status": 200, "result": [{"subscriptionId": 3}]}, True),
        ({"status": 500, "error": {"code": -1000, "msg": "x"}}, False),
        ({"status": 400, "error": {"code": -1003, "msg": "x"}}, False),
    ],
    ids=repr,
)
def test_a_subscription_that_is_no_longer_listed_is_over(reply: dict[str, Any], ends: bool) -> None:
    """Only an answer that can be read and lacks it ends the generation; an error tells nothing about it."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.subscribe_reply = reply
            await on.venue.check_stream()
            assert on.exchange.said[-1]["method"] == "session.subscriptions"
            assert len(on.heard.of(StreamLost)) == ends
            await on.venue.check_stream()
            assert len(on.exchange.said) == (2 if ends else 3), "nothing is asked about a stream that is over"

    run(scenario())


def test_more_early_events_than_can_be_kept_give_the_connection_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is dropped in silence: the generation does not begin, and the next one is followed by a round."""
    monkeypatch.setattr(ws_api, "EARLY_EVENTS_MAX", 50)

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.before_reply = [enveloped(position(number)) for number in range(51)]
            await fails_to_connect(on, VenueUnknown, "connection ended")
            on.exchange.before_reply = on.exchange.before_reply[:50]
            await on.venue.connect(2, on.heard)
            await until(lambda: len(on.heard.reports) == 50, "50 events")
            assert numbers(on.heard) == list(range(50))

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


async def _another(on: Stage) -> None:
    await on.venue.connect(2, Heard())


async def _closed(on: Stage) -> None:
    await on.venue.close()


ENDS = [
    _cut, _close, _terminated, _error_event, _revoked, _too_large, _another, _closed,
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
            await _terminated(on)
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
    '{"subscriptionId": 0, "event": {"e": "executionReport", "q": 1e400}}', "9" * 10_000, " " * 10_000_000,
    '{"subscriptionId": 0, "event": {"e": "balanceUpdate", "a": "BTC", "d": "1", "d": "2", "T": 1}}',
]  # fmt: skip


def test_broken_frames_are_counted_and_the_stream_lives() -> None:
    """No text frame, however strange, ends the stream or raises; each is counted."""

    async def scenario() -> None:
        async with stage() as on:
            for frame in BROKEN_FRAMES:
                await on.exchange.say(frame)
            await on.exchange.sockets[-1].send_bytes(b"\x00\x01")
            await on.exchange.sockets[-1]._writer.send_frame(b"\xff\xfe", 1)  # type: ignore[union-attr]
            await on.exchange.event(position(1))
            await until(lambda: numbers(on.heard) == [1], "the event after them")
            counted = on.venue.gauges.oddities
            assert set(counted) == {"malformed_frame", "malformed_event"}
            assert sum(counted.values()) == len(BROKEN_FRAMES) + 2
            assert len(on.heard.of(EventUnreadable)) == len(BROKEN_FRAMES) + 2
            assert len(on.heard.reports) == len(BROKEN_FRAMES) + 3

    run(scenario())


def test_a_broken_report_is_logged_as_a_short_sample_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the kind, the field, and how it began; no key or signature; and no flood of it."""

    async def scenario() -> None:
        async with stage() as on:
            broken = {"e": "executionReport", "c": "an-id", "q": "NaN", "apiKey": KEY, "x": "a" * 64, "long": "z" * 1000}
            for _ in range(50):
                await on.exchange.event(broken)
            await until(lambda: on.venue.gauges.oddities == {"malformed_event": 50}, "the count")

    run(scenario())
    told = [each.getMessage() for each in caplog.records if "cannot be used" in each.getMessage()]
    assert len(told) == streams.LOGGED_FIRST
    assert "executionReport" in told[0]
    assert "an-id" in told[0]
    assert KEY not in caplog.text
    assert "a" * 64 not in caplog.text
    assert all(len(each) < 400 for each in told)


NAMING = [
    ('{"subscriptionId":0,"event":{"e":"executionReport","c":"rt_1_demo_n1","q":NaN', ("rt_1_demo_n1",), ()),
    ('{"event":{"e":"executionReport","i":28,"i":29,"C":"rt_1_demo_n1","c":"x"},"subscriptionId":0}',
     ("rt_1_demo_n1", "x"), (28, 29)),
    ('{"subscriptionId":0,"event":{"e":"executionReport","c":"rt_1_demo_n1","i":28,"z":"1e400"}}', ("rt_1_demo_n1",), (28,)),
    ('{"subscriptionId":0,"event":{"e":"balanceUpdate","a":"BTC"}}', (), ()),
    ("not even JSON", (), ()),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "clients", "numbers"), NAMING, ids=["torn", "doubled", "endless", "no order", "noise"])
def test_what_an_unreadable_event_names_is_told(frame: str, clients: tuple[str, ...], numbers: tuple[int, ...]) -> None:
    """Whatever is wrong with it, the ids that stand in it are handed on, so that these orders can be asked about."""

    async def scenario() -> None:
        async with stage() as on:
            await on.exchange.say(frame)
            await until(lambda: on.heard.reports, "the report")
            [told] = on.heard.of(EventUnreadable)
            assert (told.client_ids, told.exchange_order_ids, told.generation) == (clients, numbers, 1)

    run(scenario())


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


def test_an_old_connection_wants_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour before the venue would cut it, the generation says so, once, and goes on."""
    assert streams.LIFETIME_S == 23 * 3600
    monkeypatch.setattr(streams, "LIFETIME_S", 0.05)

    async def scenario() -> None:
        async with stage() as on:
            await until(lambda: on.heard.reports, "the wish")
            await on.exchange.event(position(1))
            await until(lambda: numbers(on.heard) == [1], "the event after it")
            [ending] = on.heard.of(StreamEnding)
            assert (ending.generation, "23 h" in ending.detail) == (1, True)
            assert on.heard.of(StreamLost) == []

    run(scenario())


@pytest.mark.parametrize("say", [_shutdown, _bare_shutdown], ids=["enveloped", "bare"])
def test_an_announced_shutdown_wants_another_connection(say: Callable[[Stage], Awaitable[None]]) -> None:
    """The venue may go on for minutes after `serverShutdown`: what it says until then is heard, orders still go out."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("POST", "order", full_answer())
            await say(on)
            await until(lambda: on.heard.of(StreamEnding), "the wish")
            await on.exchange.event(position(1))
            await until(lambda: numbers(on.heard) == [1], "the event after it")
            assert isinstance(await on.venue.place(order()), PlacementAcknowledged)
            on.exchange.cut()
            await until(lambda: on.heard.of(StreamLost), "the loss")

    run(scenario())


def test_a_generation_beside_another_takes_over_without_a_gap() -> None:
    """Events come on both from the moment both are subscribed; the old one then ends without a word, and its answers
    on the way still arrive."""

    async def scenario() -> None:
        async with stage() as on:
            again, answered = Heard(), asyncio.Event()

            async def slow(request: web.Request) -> web.StreamResponse:
                await answered.wait()
                return web.json_response(full_answer())

            on.exchange.do("POST", "order", slow)
            placing = asyncio.create_task(on.venue.place(order()))
            await until(lambda: on.exchange.count("POST", "order"), "the order is on its way")
            await on.exchange.event(position(1))
            on.exchange.before_reply = [enveloped(position(2))]
            await on.venue.connect(2, again, beside=True)
            await on.exchange.event(position(3))
            await until(lambda: numbers(again) == [2, 3], "the new one's events")
            assert numbers(on.heard) == [1]
            assert on.heard.of(StreamLost) == []
            answered.set()
            assert isinstance(await placing, PlacementAcknowledged)
            await until(lambda: on.exchange.sockets[0].closed, "the old connection is closed")
            assert isinstance(await on.venue.place(order(2)), PlacementUnknown), "the scripted answer is about the first"

    run(scenario())


def test_a_generation_that_cannot_be_had_beside_leaves_the_present_one() -> None:
    """Refused, the new one leaves nothing behind; the old one goes on hearing and placing."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("POST", "order", full_answer())
            on.exchange.subscribe_reply = {"status": 500, "error": {"code": -1000, "msg": "x"}}
            with pytest.raises(VenueUnknown):
                await on.venue.connect(2, Heard(), beside=True)
            await until(lambda: on.exchange.sockets[1].closed, "the new connection is closed")
            await on.exchange.sockets[0].send_str(enveloped(position(5)))
            await until(lambda: numbers(on.heard) == [5], "the old one's event")
            assert isinstance(await on.venue.place(order()), PlacementAcknowledged)
            assert on.heard.of(StreamLost) == []

    run(scenario())


def test_a_generation_that_dies_while_the_next_is_connected_beside_it_is_lost() -> None:
    """Then there was a gap, and it is told."""

    async def scenario() -> None:
        async with stage() as on:
            reply, on.exchange.subscribe_reply = on.exchange.subscribe_reply, None
            connecting = asyncio.create_task(on.venue.connect(2, Heard(), beside=True))
            await until(lambda: len(on.exchange.said) == 2, "the second subscription")
            await on.exchange.sockets[0].close()
            await until(lambda: on.heard.of(StreamLost), "the loss")
            await on.exchange.sockets[1].send_str(json.dumps({"id": on.exchange.said[1]["id"], **(reply or {})}))
            await connecting
            assert [each.generation for each in on.heard.of(StreamLost)] == [1]

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
