"""Reading over real sockets: the whole truth that was asked for, or a failure."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from aiohttp import web

from realtrading.domain.reports import (
    LookupFailed,
    OrderLookedUp,
    SnapshotTaken,
)
from realtrading.errors import VenueRefused, VenueUnknown
from venue.loopback import ACCOUNT, ROW, SYMBOL, Heard, query, run, snap, stage


def trade(number: int, order_id: int = 28) -> dict[str, Any]:
    return {
        "symbol": SYMBOL, "id": number, "orderId": order_id, "price": "40000.1", "qty": "0.01", "quoteQty": "400.001",
        "commission": "0.4", "commissionAsset": "USDT", "time": 1507725176595, "isBuyer": True, "isMaker": True,
    }  # fmt: skip


def test_a_query_by_exchange_id_answers_for_our_id() -> None:
    """After a cancel the venue shows another client id; trades come when something was filled."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("GET", "order", ROW | {"clientOrderId": "rt_1_demo_c1", "executedQty": "0.02"})
            on.exchange.answer("GET", "myTrades", [trade(5), trade(6), trade(7, order_id=99)])
            found = await on.venue.query(query(known=28))
            assert isinstance(found, OrderLookedUp)
            assert found.report is not None
            assert (found.report.client_id, found.in_history) == ("rt_1_demo_n1", None)
            assert [each.trade_id for each in found.trades] == [5, 6]
            asked = on.exchange.asked[0].params
            assert (asked["orderId"], "origClientOrderId" in asked) == ("28", False)

    run(scenario())


def test_a_query_about_an_unknown_order_tells_whose_it_is() -> None:
    """A question by exchange id alone (its key is no client id) is answered with the client id that the venue shows."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("GET", "order", ROW | {"clientOrderId": "rt_1_lost_n4"})
            on.exchange.answer("GET", "myTrades", [])
            found = await on.venue.query(attrs.evolve(query(known=28), id=f"#{SYMBOL}:28"))
            assert isinstance(found, OrderLookedUp)
            assert found.report is not None
            assert (found.id, found.report.client_id) == (f"#{SYMBOL}:28", "rt_1_lost_n4")

    run(scenario())


def test_absence_is_told_only_with_what_was_read() -> None:
    """-2013 alone is `report=None`; with `prove` both lists were read and `in_history` says whether they show it."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("GET", "order", {"code": -2013, "msg": "Order does not exist."}, 400)
            plain = await on.venue.query(query())
            assert isinstance(plain, OrderLookedUp)
            assert (plain.report, plain.in_history) == (None, None)
            on.exchange.answer("GET", "openOrders", [])
            on.exchange.answer("GET", "allOrders", [ROW | {"clientOrderId": "somebody-else", "orderId": 3}])
            proven = await on.venue.query(query(prove=True))
            assert isinstance(proven, OrderLookedUp)
            assert (proven.report, proven.in_history) == (None, False)
            assert proven.asked_at <= proven.answered_at
            start = int(on.exchange.asked[-1].params["startTime"])
            assert 59_000 < datetime.now(UTC).timestamp() * 1000 - start < 90_000
            on.exchange.answer("GET", "allOrders", [ROW])
            lagging = await on.venue.query(query(prove=True))
            assert isinstance(lagging, OrderLookedUp)
            assert lagging.in_history is True
            assert lagging.report is not None

    run(scenario())


@pytest.mark.parametrize("missing", ["order", "openOrders", "allOrders", "myTrades"])
@pytest.mark.parametrize(
    "how", [(500, {"code": -1000, "msg": "x"}), (200, "<html>"), (200, {"x": 1}), (400, {"code": -1121, "msg": "Invalid"})]
)
def test_a_query_is_whole_or_failed(missing: str, how: tuple[int, Any]) -> None:
    """When any of its parts does not answer readably, nothing is concluded."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("GET", "order", ROW | {"executedQty": "0.01"})
            on.exchange.answer("GET", "openOrders", [])
            on.exchange.answer("GET", "allOrders", [])
            on.exchange.answer("GET", "myTrades", [])
            on.exchange.answer("GET", missing, how[1], how[0])
            answer = await on.venue.query(query(prove=True))
            assert isinstance(answer, LookupFailed)
            assert answer.subject == "rt_1_demo_n1"
            assert missing in answer.detail

    run(scenario())


def test_a_snapshot_pages_trades_to_the_end() -> None:
    """Full pages are followed by the next, from the id after the last one; the cursor is the highest id seen."""

    async def scenario() -> None:
        async with stage() as on:
            everything = list(range(11, 2511))

            async def page(request: web.Request) -> web.StreamResponse:
                from_id, limit = int(request.query["fromId"]), int(request.query["limit"])
                return web.json_response([trade(number) for number in everything if number >= from_id][:limit])

            on.exchange.do("GET", "myTrades", page)
            on.exchange.answer("GET", "openOrders", [ROW])
            on.exchange.answer("GET", "account", ACCOUNT)
            taken = await on.venue.snapshot(snap(cursor=10))
            assert isinstance(taken, SnapshotTaken)
            assert [each.trade_id for each in taken.trades] == everything
            assert on.exchange.count("GET", "myTrades") == 3
            assert (taken.cursors, taken.account_uid) == ({SYMBOL: 2510}, 1001)
            assert taken.balances == {"BTC": (Decimal("1.5"), Decimal("0.5"))}
            assert [each.client_id for each in taken.open_orders] == ["rt_1_demo_n1"]
            assert on.exchange.asked[0].path == "time"
            assert taken.asked_at <= taken.answered_at

    run(scenario())


def test_a_first_snapshot_during_a_trade_is_void() -> None:
    """The trade would be in the opening balance and above the cursor, so it would be booked a second time."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.in_turn("GET", "myTrades", [trade(77)], [trade(78)])
            on.exchange.answer("GET", "openOrders", [])
            on.exchange.answer("GET", "account", ACCOUNT)
            void = await on.venue.snapshot(snap(cursor=-1))
            assert isinstance(void, LookupFailed)
            assert "traded" in void.detail

    run(scenario())


@pytest.mark.parametrize(("newest", "cursor"), [([], 0), ([trade(77)], 77)])
def test_a_first_snapshot_only_finds_the_newest_trade(newest: list[dict[str, Any]], cursor: int) -> None:
    """With cursor -1 history is not ours to tell: only where it ends."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("GET", "myTrades", newest)
            on.exchange.answer("GET", "openOrders", [])
            on.exchange.answer("GET", "account", ACCOUNT)
            taken = await on.venue.snapshot(snap(cursor=-1))
            assert isinstance(taken, SnapshotTaken)
            assert (taken.trades, taken.cursors) == ((), {SYMBOL: cursor})
            asked = next(each.params for each in on.exchange.asked if each.path == "myTrades")
            assert (asked["limit"], "fromId" in asked) == ("1", False)

    run(scenario())


@pytest.mark.parametrize("missing", ["time", "openOrders", "myTrades", "account"])
@pytest.mark.parametrize("how", [(503, "<html>"), (200, "<html>"), (200, [{"x": 1}]), (200, {})], ids=repr)
def test_a_snapshot_is_whole_or_failed(missing: str, how: tuple[int, Any]) -> None:
    """No partial truth: one part that cannot be read fails the round."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("GET", "openOrders", [])
            on.exchange.answer("GET", "myTrades", [])
            on.exchange.answer("GET", "account", ACCOUNT)
            assert isinstance(await on.venue.snapshot(snap()), SnapshotTaken)
            on.exchange.answer("GET", missing, how[1], how[0])
            answer = await on.venue.snapshot(snap())
            assert isinstance(answer, LookupFailed)
            assert answer.subject == "token"

    run(scenario())


def test_a_snapshot_belongs_to_one_generation() -> None:
    """Asked for another generation, or overtaken by one, it fails."""

    async def scenario() -> None:
        async with stage() as on:
            on.exchange.answer("GET", "openOrders", [])
            on.exchange.answer("GET", "myTrades", [])

            async def meanwhile(request: web.Request) -> web.StreamResponse:
                await on.venue.connect(2, Heard())
                return web.json_response(ACCOUNT)

            assert isinstance(await on.venue.snapshot(snap(generation=7)), LookupFailed)
            on.exchange.do("GET", "account", meanwhile)
            assert isinstance(await on.venue.snapshot(snap()), LookupFailed)
            assert isinstance(await on.venue.snapshot(snap(generation=1)), LookupFailed)

    run(scenario())


def test_the_first_questions_name_the_culprit() -> None:
    """uid and rules raise: refused for an unknown symbol (by its name) and a bad key, unknown for a venue that is ill."""

    async def scenario() -> None:
        async with stage(connected=False) as on:
            on.exchange.answer("GET", "account", ACCOUNT)
            assert await on.venue.account_uid() == 1001
            on.exchange.answer("GET", "account", {"code": -2015, "msg": "Invalid API-key, IP, or permissions."}, 401)
            with pytest.raises(VenueRefused, match="-2015"):
                await on.venue.account_uid()
            on.exchange.answer("GET", "account", {"code": -1000, "msg": "x"}, 500)
            with pytest.raises(VenueUnknown):
                await on.venue.account_uid()
            known = {"symbol": SYMBOL, "baseAsset": "BTC", "quoteAsset": "USDT", "status": "TRADING", "filters": []}

            async def rules(request: web.Request) -> web.StreamResponse:
                if json.loads(request.query["symbols"]) == [SYMBOL]:
                    return web.json_response({"symbols": [known]})
                return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)

            on.exchange.do("GET", "exchangeInfo", rules)
            assert [each.symbol for each in (await on.venue.rules([SYMBOL])).rules] == [SYMBOL]
            with pytest.raises(VenueRefused, match="NOPEUSDT"):
                await on.venue.rules([SYMBOL, "NOPEUSDT"])

    run(scenario())
