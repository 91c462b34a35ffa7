"""The venue at the shipped simulator: the whole round of an order, and the faults an order must survive."""

import asyncio
import os
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from processes import Processes
from realtrading.domain.commands import PlaceCancel, QueryOrder, TakeSnapshot
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import (
    AccountReported,
    ExecutionReported,
    FlowReported,
    LookupFailed,
    OrderLookedUp,
    PlacementAcknowledged,
    PlacementRefused,
    PlacementUnknown,
    SnapshotTaken,
    StreamLost,
)
from realtrading.domain.values import OrderType, Quote, Side, TimeInForce
from realtrading.errors import VenueRefused
from venue.loopback import SYMBOL, Heard, order, run, until
from venue.simulated import SimStage, at_simulator

ID = "rt_1_demo_n1"
RESTING: dict[str, Any] = {
    "order_type": OrderType.LIMIT, "price": Decimal("20000"), "original_quantity": Decimal("0.001"),
}  # fmt: skip


def query(client_id: str = ID, known: int | None = None) -> QueryOrder:
    now = datetime.now(UTC)
    return QueryOrder(id=client_id, symbol=SYMBOL, exchange_order_id=known, created_at=now, prove=True)


def snap(cursor: int, generation: int = 1) -> TakeSnapshot:
    return TakeSnapshot(token="token", generation=generation, symbols=(SYMBOL,), cursors={SYMBOL: cursor})


async def placed(on: SimStage, number: int, **changes: Any) -> PlacementAcknowledged:
    answer = await on.venue.place(order(number, **changes))
    assert isinstance(answer, PlacementAcknowledged), answer
    return answer


def test_the_whole_round(processes: Processes) -> None:
    """Rules, clock, each order type, refusals, cancel, query, snapshot and stream all tell the same truth."""

    async def scenario() -> None:
        async with at_simulator(processes) as on:
            assert await on.venue.account_uid() == on.exchange.ready["uid"]
            [rules] = (await on.venue.rules([SYMBOL])).rules
            assert (rules.base, rules.quote, rules.status) == ("BTC", "USDT", "TRADING")
            assert rules.tick > 0 < rules.step
            with pytest.raises(VenueRefused, match="NOPEUSDT"):
                await on.venue.rules([SYMBOL, "NOPEUSDT"])
            await on.venue.measure_clock()
            before = await on.venue.snapshot(snap(-1))
            assert isinstance(before, SnapshotTaken)

            bought = await placed(on, 1)
            spent = await placed(on, 2, quote_quantity=Decimal(100))
            sold = await placed(on, 3, side=Side.SELL)
            ioc = await placed(on, 4, **(RESTING | {"time_in_force": TimeInForce.IOC}))
            resting = await placed(on, 5, **RESTING)
            assert [each.report.status for each in (bought, sold, ioc, resting)] == ["FILLED", "FILLED", "EXPIRED", "NEW"]
            assert spent.report.cumulative_quote <= 100
            taker = await on.venue.place(order(6, order_type=OrderType.LIMIT_MAKER, price=Decimal(90000)))
            assert isinstance(taker, PlacementRefused)
            assert taker.reason is Reason.VENUE_WOULD_TAKE
            poor = await on.venue.place(order(7, **(RESTING | {"original_quantity": Decimal(900)})))
            assert isinstance(poor, PlacementRefused)
            assert poor.reason is Reason.VENUE_INSUFFICIENT_BALANCE
            odd = await on.venue.place(order(8, original_quantity=Decimal("0.00000001")))
            assert isinstance(odd, PlacementRefused)
            assert odd.reason is Reason.VENUE_FILTER

            order_id = resting.report.exchange_order_id
            command = PlaceCancel(id="rt_1_demo_n5", symbol=SYMBOL, exchange_order_id=order_id, cancel_id="rt_1_demo_c1")
            cancelled = await on.venue.cancel(command)
            assert cancelled.certain
            assert cancelled.report is not None
            assert (cancelled.report.client_id, cancelled.report.status) == ("rt_1_demo_n5", "CANCELED")
            twice = await on.venue.cancel(command)
            assert (twice.certain, twice.code) == (False, -2011)

            found = await on.venue.query(query("rt_1_demo_n5", order_id))
            assert isinstance(found, OrderLookedUp)
            assert found.report is not None
            assert (found.report.client_id, found.report.status, found.in_history) == ("rt_1_demo_n5", "CANCELED", True)
            absent = await on.venue.query(query("rt_1_demo_n99"))
            assert isinstance(absent, OrderLookedUp)
            assert (absent.report, absent.in_history) == (None, False)
            filled = await on.venue.query(query(ID))
            assert isinstance(filled, OrderLookedUp)

            await on.exchange.control("deposit", asset="USDT", amount="5")
            await until(lambda: on.heard.of(FlowReported), "the deposit")
            after = await on.venue.snapshot(snap(before.cursors[SYMBOL]))
            assert isinstance(after, SnapshotTaken)

            answers = [trade for each in (bought, spent, sold) for trade in each.report.trades]
            streamed = [trade for each in on.heard.of(ExecutionReported) for trade in each.report.trades]
            assert len(answers) >= 3
            assert streamed == answers == list(after.trades)
            assert filled.trades == bought.report.trades
            assert after.cursors[SYMBOL] == max(each.trade_id for each in answers)
            assert after.open_orders == ()
            last = {asset: held for each in on.heard.of(AccountReported) for asset, held in each.balances.items()}
            assert after.balances == last
            events = [each.report for each in on.heard.of(ExecutionReported) if each.report.exchange_order_id == order_id]
            assert [(each.client_id, each.status) for each in events] == [
                ("rt_1_demo_n5", "NEW"), ("rt_1_demo_n5", "CANCELED"),
            ]  # fmt: skip
            assert on.venue.gauges.used.keys() == {"weight_1m", "orders_10s", "orders_1d"}
            assert on.venue.gauges.oddities == {}

    run(scenario())


UNKNOWN_FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("status_after", {"status": 503, "body": "json"}),
    ("status_after", {"status": 504, "body": "json"}),
    ("status_after", {"status": 502, "body": "html"}),
    ("status_after", {"status": 500, "body": "empty"}),
    ("answer_garbage", {}),
    ("drop_after", {}),
]


@pytest.mark.parametrize("resting", [False, True], ids=["filled", "resting"])
@pytest.mark.parametrize(("action", "params"), UNKNOWN_FAULTS, ids=str)
def test_accepted_but_not_told(processes: Processes, action: str, params: dict[str, Any], resting: bool) -> None:
    """The exchange took the order and the answer was lost: unknown, sent exactly once, and found by our id."""

    async def scenario() -> None:
        async with at_simulator(processes) as on:
            await on.exchange.fault(action, {"kind": "place"}, **params)
            answer = await on.venue.place(order(**(RESTING if resting else {})))
            assert isinstance(answer, PlacementUnknown), answer
            found = await on.venue.query(query())
            assert isinstance(found, OrderLookedUp)
            assert found.report is not None
            assert (found.report.status, found.in_history) == ("NEW" if resting else "FILLED", True)
            assert sum(each.quantity for each in found.trades) == found.report.executed_quantity
            await until(lambda: on.heard.of(ExecutionReported), "the stream's own word")
            assert await on.exchange.places(ID) == 1

    run(scenario())


@pytest.mark.parametrize(
    ("action", "params"),
    [("drop_before", {}), ("status_before", {"status": 403, "body": "html"}), ("status_before", {"status": 503})],
)
def test_not_accepted_and_not_told(processes: Processes, action: str, params: dict[str, Any]) -> None:
    """Seen from here it is the same unknown; only the lookup with both lists tells that there is nothing."""

    async def scenario() -> None:
        async with at_simulator(processes) as on:
            await on.exchange.fault(action, {"kind": "place"}, **params)
            assert isinstance(await on.venue.place(order()), PlacementUnknown)
            found = await on.venue.query(query())
            assert isinstance(found, OrderLookedUp)
            assert (found.report, found.in_history) == (None, False)
            assert await on.exchange.places(ID) == 1

    run(scenario())


def test_a_cancel_whose_answer_was_lost(processes: Processes) -> None:
    """It is uncertain and reached the exchange once; the query by exchange id shows what became of the order."""

    async def scenario() -> None:
        async with at_simulator(processes) as on:
            order_id = (await placed(on, 1, **RESTING)).report.exchange_order_id
            await on.exchange.fault("drop_after", {"kind": "cancel"})
            command = PlaceCancel(id=ID, symbol=SYMBOL, exchange_order_id=order_id, cancel_id="rt_1_demo_c1")
            answer = await on.venue.cancel(command)
            assert (answer.certain, answer.report) == (False, None)
            found = await on.venue.query(query(known=order_id))
            assert isinstance(found, OrderLookedUp)
            assert found.report is not None
            assert (found.report.status, found.report.client_id) == ("CANCELED", ID)
            assert len(await on.exchange.requests("cancel")) == 1

    run(scenario())


def test_throttled_at_the_door(processes: Processes) -> None:
    """A 429 with Retry-After refuses the order for certain and nothing more reaches the exchange meanwhile."""

    async def scenario() -> None:
        async with at_simulator(processes) as on:
            await on.exchange.fault("status_before", {"kind": "place"}, status=429, retry_after=30)
            answer = await on.venue.place(order())
            assert isinstance(answer, PlacementRefused)
            assert (answer.reason, answer.sent) == (Reason.VENUE_THROTTLED, True)
            again = await on.venue.place(order(2))
            assert isinstance(again, PlacementRefused)
            assert again.sent is False
            assert isinstance(await on.venue.query(query()), LookupFailed)
            assert await on.exchange.places("rt_1_demo_n2") == 0

    run(scenario())


def test_a_wrong_clock(processes: Processes) -> None:
    """With the exchange 20 s ahead the order is refused as VENUE_CLOCK; after the measurement the next one passes."""

    async def scenario() -> None:
        async with at_simulator(processes) as on:
            await on.exchange.control("clock", skew_ms=20_000)
            answer = await on.venue.place(order())
            assert isinstance(answer, PlacementRefused)
            assert (answer.reason, answer.code) == (Reason.VENUE_CLOCK, -1021)
            await until(lambda: (on.venue.gauges.clock_offset_s or 0) > 19, "the measurement")
            await placed(on, 2)
            assert await on.exchange.places(ID) == 1

    run(scenario())


def test_the_stream_ends_and_the_next_generation_hears(processes: Processes) -> None:
    """Cut: one loss, no placement in between, and the next generation's events come."""

    async def scenario() -> None:
        async with at_simulator(processes) as on:
            await on.exchange.control("cut", streams="user")
            await until(lambda: on.heard.of(StreamLost), "the loss")
            assert isinstance(await on.venue.place(order()), PlacementRefused)
            again = Heard()
            await on.venue.connect(2, again)
            await placed(on, 2)
            await until(lambda: again.of(ExecutionReported), "an event of the next generation")
            assert isinstance(await on.venue.snapshot(snap(0, generation=2)), SnapshotTaken)
            assert isinstance(await on.venue.snapshot(snap(0, generation=1)), LookupFailed)
            assert len(on.heard.of(StreamLost)) == 1

    run(scenario())


def test_events_in_the_subscriptions_own_burst(processes: Processes) -> None:
    """The exchange keeps the subscription's answer back and sends it in one piece with an order's events: none is lost."""

    async def scenario() -> None:
        async with at_simulator(processes) as on:
            await on.exchange.fault("burst", {"kind": "stream"}, ms=300)
            again = Heard()
            connecting = asyncio.create_task(on.venue.connect(2, again))
            subscribed = 0
            while subscribed < 2:
                subscribed = len(await on.exchange.requests("stream"))
            await on.exchange.control("orders", symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.01")
            await connecting
            await until(lambda: any(e.report.status == "FILLED" for e in again.of(ExecutionReported)), "the fill")
            assert again.of(ExecutionReported)[0].report.status == "NEW"

    run(scenario())


def test_quotes_move_with_the_market(processes: Processes) -> None:
    """Stepping the tape moves the quotes; bid stays below ask."""

    async def scenario() -> None:
        async with at_simulator(processes) as on:
            quotes: list[Quote] = []
            watching = asyncio.create_task(on.venue.watch_quotes([SYMBOL], quotes.append))
            await until(lambda: quotes, "the first quote")
            await on.exchange.control("step", trades=20)
            await until(lambda: len({each.last for each in quotes}) > 3, "moving prices")
            assert all(0 < each.bid < each.ask for each in quotes)
            watching.cancel()
            await asyncio.wait([watching])

    run(scenario())


def test_close_leaves_no_task_socket_or_thread(processes: Processes) -> None:
    """After three generations, a watch and some orders everything that was opened is gone, at once."""

    def sockets() -> int:
        links = (os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.exists())
        return sum(1 for each in links if each.startswith("socket:"))

    async def scenario() -> None:
        tasks, threads, open_before = asyncio.all_tasks(), threading.active_count(), sockets()
        async with at_simulator(processes) as on:
            threads = threading.active_count()  # the test's own readers of the simulator's output are among them now
            quotes: list[Quote] = []
            watching = asyncio.create_task(on.venue.watch_quotes([SYMBOL], quotes.append))
            await until(lambda: quotes, "the first quote")
            for generation in (2, 3):
                await on.venue.connect(generation, Heard())
                await asyncio.gather(*(placed(on, 10 * generation + number) for number in range(5)))
            assert sockets() > open_before
            began = asyncio.get_running_loop().time()
            await on.venue.close()
            await on.venue.close()
            assert asyncio.get_running_loop().time() - began < 3
            await asyncio.wait([watching])
            assert watching.exception() is not None
            assert asyncio.all_tasks() == tasks
            assert threading.active_count() == threads
            await until(lambda: sockets() <= open_before, "closed sockets", 5)

    run(scenario())
