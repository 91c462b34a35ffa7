"""Placing over real sockets: each order is sent once, and every way in which that can go wrong has its report."""

import asyncio
import gzip
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from realtrading.domain.reasons import Reason
from realtrading.domain.reports import (
    LookupFailed,
    PlacementAcknowledged,
    PlacementRefused,
    PlacementUnknown,
)
from realtrading.domain.values import OrderType, TimeInForce
from realtrading.errors import VenueRefused
from venue.loopback import (
    CANCEL,
    KEY,
    SYMBOL,
    Heard,
    Loopback,
    drop,
    full_answer,
    order,
    query,
    run,
    stage,
    until,
)

ERROR = {"code": -2010, "msg": "Account has insufficient balance for requested action."}


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({}, {"type": "MARKET", "quantity": "0.01"}),
        ({"quote_quantity": Decimal("50.50")}, {"type": "MARKET", "quoteOrderQty": "50.5"}),
        (
            {"order_type": OrderType.LIMIT, "price": Decimal("1E-7"), "original_quantity": Decimal("1E+3")},
            {"type": "LIMIT", "quantity": "1000", "price": "0.0000001", "timeInForce": "GTC"},
        ),
        (
            {"order_type": OrderType.LIMIT, "price": Decimal(1), "time_in_force": TimeInForce.FOK},
            {"type": "LIMIT", "quantity": "0.01", "price": "1", "timeInForce": "FOK"},
        ),
        (
            {"order_type": OrderType.LIMIT_MAKER, "price": Decimal("40000.10"), "time_in_force": TimeInForce.GTC},
            {"type": "LIMIT_MAKER", "quantity": "0.01", "price": "40000.1"},
        ),
    ],
)
def test_an_order_is_sent_with_exactly_what_its_type_takes(changes: dict[str, Any], sent: dict[str, str]) -> None:
    """Plain decimals, our own id, FULL answers, a 3 s recvWindow; no timeInForce where it is an error."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("POST", "order", full_answer())
            answer = await on.venue.place(order(**changes))
            assert isinstance(answer, PlacementAcknowledged)
            assert (answer.id, answer.report.exchange_order_id, answer.report.status) == ("rt_1_demo_n1", 28, "NEW")
            [asked] = on.exchange.asked
            got = dict(asked.params)
            assert re.fullmatch(r"[0-9a-f]{64}", got.pop("signature"))
            assert abs(int(got.pop("timestamp")) - datetime.now(UTC).timestamp() * 1000) < 5000
            assert got == sent | {
                "symbol": SYMBOL, "side": "BUY", "newClientOrderId": "rt_1_demo_n1",
                "newOrderRespType": "FULL", "recvWindow": "3000",
            }  # fmt: skip
            assert asked.headers["X-MBX-APIKEY"] == KEY

    run(scenario())


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "with space"},
        {"id": "x" * 37},
        {"id": "a:b"},
        {"order_type": OrderType.LIMIT},
        {"order_type": "STOP_LOSS", "price": Decimal(1)},
        {"order_type": OrderType.LIMIT, "price": Decimal(1), "quote_quantity": Decimal(1)},
    ],
    ids=repr,
)
def test_an_order_that_must_not_be_sent_is_not(changes: dict[str, Any]) -> None:
    """Our own mistakes are refused before the wire."""

    async def scenario() -> None:
        async with stage() as on:
            answer = await on.venue.place(order(**changes))
            assert isinstance(answer, PlacementRefused)
            assert (answer.reason, answer.sent, on.exchange.asked) == (Reason.HOUSE_FAULT, False, [])

    run(scenario())


REFUSALS = [
    (400, ERROR, Reason.VENUE_INSUFFICIENT_BALANCE),
    (400, {"code": -1013, "msg": "Filter failure: NOTIONAL"}, Reason.VENUE_FILTER),
    (401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, Reason.VENUE_CREDENTIALS),
]


@pytest.mark.parametrize(("status", "body", "reason"), REFUSALS)
def test_a_refusal_names_its_reason(status: int, body: dict[str, Any], reason: Reason) -> None:
    """A documented no is certain, with the venue's code and text."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("POST", "order", body, status)
            assert await on.venue.place(order()) == PlacementRefused(
                id="rt_1_demo_n1", reason=reason, code=body["code"], message=body["msg"], sent=True
            )
            assert on.exchange.count("POST", "order") == 1

    run(scenario())


async def _truncated(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "500"})
    await response.prepare(request)
    await response.write(b'{"symbol": "BTC')
    assert request.transport is not None
    request.transport.abort()
    return response


async def _bad_gzip(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\x1f\x8bgarbage", headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})


async def _dropped(request: web.Request) -> web.StreamResponse:
    return drop(request)


UNKNOWNS: list[Any] = [
    (500, {"code": -1000, "msg": "An unknown error occurred while processing the request."}),
    (503, {"code": -2010, "msg": "Account has insufficient balance for requested action."}),
    (504, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
    (502, "<html>Bad Gateway</html>"),
    (500, ""),
    (403, "<html>blocked</html>"),
    (200, "<html>maintenance</html>"),
    (200, ""),
    (200, []),
    (200, {"symbol": SYMBOL, "orderId": 28, "clientOrderId": "rt_1_demo_n1", "transactTime": 1}),
    (200, full_answer(clientOrderId="rt_1_demo_n2")),
    (200, full_answer(side="SELL")),
    (400, {"code": -4242, "msg": "something new"}),
    (400, {"code": -2010, "msg": "Duplicate order sent."}),
    (400, [{"code": -1013}]),
    (400, {"code": "-1013", "msg": 7}),
    (409, {"code": -2021, "msg": "partially failed"}),
    _dropped,
    _truncated,
    _bad_gzip,
]


@pytest.mark.parametrize("how", UNKNOWNS, ids=lambda how: how.__name__ if callable(how) else f"{how[0]} {str(how[1])[:40]}")
def test_whatever_is_not_certain_is_unknown_and_sent_once(how: Any) -> None:
    """Pages, half answers, other orders' answers, new codes, 5xx: nobody knows, and nobody sends again."""

    async def scenario() -> None:
        async with stage() as on:
            if callable(how):
                on.exchange.do("POST", "order", how)
            else:
                on.exchange.answer("POST", "order", how[1], how[0])
            answer = await on.venue.place(order())
            assert isinstance(answer, PlacementUnknown), answer
            assert answer.detail
            assert "<html>" not in answer.detail
            assert on.exchange.count("POST", "order") == 1

    run(scenario())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status: int) -> None:
    """A signed order and its key go to the configured host and nowhere else."""

    async def scenario() -> None:
        other = Loopback()
        await other.start()
        try:
            async with stage() as on:
                elsewhere = f"{other.urls.rest}/v3/order"
                on.exchange.answer("POST", "order", "moved", status, {"Location": elsewhere})
                on.exchange.answer("DELETE", "order", "moved", status, {"Location": elsewhere})
                on.exchange.answer("GET", "order", "moved", status, {"Location": elsewhere})
                assert isinstance(await on.venue.place(order()), PlacementUnknown)
                assert not (await on.venue.cancel(CANCEL)).certain
                assert isinstance(await on.venue.query(query()), LookupFailed)
                assert other.asked == []
        finally:
            await other.stop()

    run(scenario())


def test_a_body_without_end_is_not_read_to_the_end() -> None:
    """A decompression bomb is given up at 16 MiB; the order is unknown, the house lives."""
    # good JSON all the way: only its size is wrong
    bomb = gzip.compress(json.dumps(full_answer()).encode() + b" " * (17 * 1024 * 1024), 9)

    async def huge(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.do("POST", "order", huge)
            answer = await on.venue.place(order())
            assert isinstance(answer, PlacementUnknown)
            on.exchange.answer("POST", "order", full_answer())
            assert isinstance(await on.venue.place(order()), PlacementAcknowledged)

    run(scenario())


def test_a_port_where_nobody_listens_was_never_reached() -> None:
    """Connection refused is a certain no, and not sent."""

    async def scenario() -> None:
        async with stage() as on:
            await on.exchange.stop()
            await on.exchange.start()  # another port: the venue's own is now closed
            assert on.venue._urls.rest != on.exchange.urls.rest
            answer = await on.venue.query(query())
            assert isinstance(answer, LookupFailed)
            assert "never reached" in answer.detail

    run(scenario())


def test_a_refused_connection_is_a_refused_order() -> None:
    """The stream still lives, the REST port is gone: the order certainly was not sent."""

    async def scenario() -> None:
        async with stage() as on:
            on.venue._wire.client().API_URL = "http://127.0.0.1:1/api"
            answer = await on.venue.place(order())
            assert isinstance(answer, PlacementRefused)
            assert (answer.reason, answer.sent) == (Reason.VENUE_NOT_REACHED, False)

    run(scenario())


def test_between_generations_nothing_is_placed() -> None:
    """Before the first connect and after a loss an order is refused at once, while reads and cancels still find a way."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.answer("POST", "order", full_answer())
            on.exchange.answer("DELETE", "order", full_answer(status="CANCELED", origClientOrderId="rt_1_demo_n1"))
            for _ in range(2):
                answer = await on.venue.place(order())
                assert isinstance(answer, PlacementRefused)
                assert (answer.reason, answer.sent) == (Reason.BREAKER_STREAM_LOST, False)
                assert (await on.venue.cancel(CANCEL)).certain
                await on.venue.connect(1, on.heard)
                assert isinstance(await on.venue.place(order()), PlacementAcknowledged)
                on.exchange.cut()
                await until(lambda: on.heard.reports, "the loss")
            assert on.exchange.count("POST", "order") == 2

    run(scenario())


def test_what_may_go_unheard_is_placed_between_generations() -> None:
    """Before the first connect and after a loss an order that may go unheard goes out all the same, once."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.answer("POST", "order", full_answer())
            assert isinstance(await on.venue.place(order(), unheard=True), PlacementAcknowledged)
            await on.venue.connect(1, on.heard)
            on.exchange.cut()
            await until(lambda: on.heard.reports, "the loss")
            assert isinstance(await on.venue.place(order(), unheard=True), PlacementAcknowledged)
            assert on.exchange.count("POST", "order") == 2

    run(scenario())


def test_an_answer_on_its_way_survives_the_next_generation() -> None:
    """Connecting anew does not turn an order into an unknown one by our own doing."""

    async def scenario() -> None:
        async with stage() as on:
            go = asyncio.Event()

            async def slow(request: web.Request) -> web.StreamResponse:
                await go.wait()
                return web.json_response(full_answer())

            on.exchange.do("POST", "order", slow)
            placing = asyncio.create_task(on.venue.place(order()))
            await until(lambda: on.exchange.count("POST", "order"), "the order")
            await on.venue.connect(2, Heard())
            go.set()
            assert isinstance(await placing, PlacementAcknowledged)

    run(scenario())


def test_closing_ends_what_is_on_its_way_as_unknown() -> None:
    """`close` does not wait for the venue; who waits for an answer learns that nobody knows."""

    async def scenario() -> None:
        async with stage() as on:

            async def never(request: web.Request) -> web.StreamResponse:
                await asyncio.Event().wait()
                return web.Response()

            on.exchange.do("POST", "order", never)
            placing = asyncio.create_task(on.venue.place(order()))
            await until(lambda: on.exchange.count("POST", "order"), "the order")
            await asyncio.wait_for(on.venue.close(), 5)
            assert isinstance(await placing, PlacementUnknown)
            assert isinstance(await on.venue.place(order()), PlacementRefused)
            with pytest.raises(VenueRefused):
                await on.venue.connect(2, on.heard)

    run(scenario())
