"""The hands in a house of their own, before a venue that does what it is told: last look, look-ups, generations, quotes."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from order_factories import SYMBOL, T0, a_report, an_order
from realtrading.actors import gateway, lookup
from realtrading.actors.board import Board
from realtrading.actors.gateway import GatewayActor
from realtrading.actors.lookup import LookupActor
from realtrading.actors.streams import MarketStreamActor, UserStreamActor
from realtrading.clock import clock
from realtrading.domain.commands import (
    CloseVenue,
    EndGeneration,
    ListOpenOrders,
    PlaceCancel,
    PlaceOrder,
    QueryOrder,
    TakeSnapshot,
)
from realtrading.domain.orders import RealOrder
from realtrading.domain.reasons import Reason
from realtrading.domain.reports import (
    AccountReported,
    CancelAnswered,
    ClockMeasured,
    EventUnreadable,
    ExecutionReported,
    LookupFailed,
    MarketStreamConnected,
    MarketStreamLost,
    OpenOrdersListed,
    OrderLookedUp,
    PlacementAcknowledged,
    PlacementRefused,
    PlacementUnknown,
    QuotesMoved,
    RulesReported,
    SnapshotTaken,
    StreamConnected,
    StreamLost,
    VenueClosed,
)
from realtrading.domain.values import Quote
from realtrading.errors import VenueThrottled, VenueUnknown
from realtrading.runtime.actor import Fenced, Hand, staffing
from realtrading.runtime.events import ActorRestarted
from realtrading.runtime.house import House
from realtrading.runtime.mailbox import Incarnation, Mailbox
from realtrading.runtime.spec import ActorSpec, FaultKind
from realtrading.venue.port import StreamReport, VenueGauges
from waiting import wait_until

TOLD = (
    PlacementAcknowledged, PlacementRefused, PlacementUnknown, CancelAnswered, OrderLookedUp, LookupFailed, SnapshotTaken,
    StreamConnected, StreamLost, ClockMeasured, RulesReported, ExecutionReported, AccountReported, MarketStreamConnected,
    MarketStreamLost, QuotesMoved, VenueClosed, OpenOrdersListed, EventUnreadable,
)  # fmt: skip
"""Everything that hands report."""

Answer = PlacementAcknowledged | PlacementRefused | PlacementUnknown


class ScriptedVenue:
    """A whole `Venue`: it remembers what it was asked and answers at once, or when `go` is set while `slow`."""

    def __init__(self) -> None:
        self.gauges = VenueGauges()
        self.placed: list[tuple[str, bool]] = []
        self.asked: list[str] = []
        self.answer: Callable[[RealOrder], Answer] = lambda order: PlacementUnknown(id=order.id, detail="as scripted")
        self.slow = threading.Event()
        self.go = threading.Event()
        self.refusals: list[Exception] = []
        self.beside: list[tuple[int, bool]] = []
        self.checks = 0
        self.generations: dict[int, Callable[[StreamReport], None]] = {}
        self.offset_s = 0.1
        self.watches: list[tuple[asyncio.Future[None], Callable[[Quote], None]]] = []
        self.loop: asyncio.AbstractEventLoop | None = None

    async def _take_time(self) -> None:
        if self.slow.is_set():
            await asyncio.get_running_loop().run_in_executor(None, self.go.wait, 10)

    async def connect(self, generation: int, deliver: Callable[[StreamReport], None], *, beside: bool = False) -> None:
        self.loop = asyncio.get_running_loop()
        self.beside.append((generation, beside))
        if self.refusals:
            raise self.refusals.pop(0)
        self.generations[generation] = deliver

    async def check_stream(self) -> None:
        self.checks += 1

    async def close(self) -> None:
        self.asked.append("close")

    async def account_uid(self) -> int:
        return 7

    async def client_ids(self, symbols: Sequence[str]) -> frozenset[str]:
        return frozenset()

    async def rules(self, symbols: Sequence[str]) -> RulesReported:
        return RulesReported(rules=())

    async def measure_clock(self) -> ClockMeasured | LookupFailed:
        return ClockMeasured(offset_s=self.offset_s, uncertainty_s=0.001)

    def server_time(self, utc: datetime) -> datetime:
        return utc

    async def place(self, order: RealOrder, *, unheard: bool = False) -> Answer:
        self.placed.append((order.id, unheard))
        await self._take_time()
        return self.answer(order)

    async def cancel(self, command: PlaceCancel) -> CancelAnswered:
        self.asked.append(f"cancel {command.id}")
        return CancelAnswered(id=command.id, certain=False, report=None, code=-2011, message="Unknown order sent.")

    async def query(self, command: QueryOrder) -> OrderLookedUp | LookupFailed:
        self.asked.append(f"query {command.id}")
        await self._take_time()
        return LookupFailed(subject=command.id, detail="as scripted")

    async def list_open(self, command: ListOpenOrders) -> OpenOrdersListed | LookupFailed:
        self.asked.append(f"open orders {command.symbol}")
        return OpenOrdersListed(symbol=command.symbol, orders=(), asked_at=clock().utc)

    async def snapshot(self, command: TakeSnapshot) -> SnapshotTaken | LookupFailed:
        self.asked.append(f"snapshot {command.token}")
        await self._take_time()
        return LookupFailed(subject=command.token, detail="as scripted")

    async def watch_quotes(self, symbols: Sequence[str], on_quote: Callable[[Quote], None]) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.watches.append((over, on_quote))
        await over

    def on_loop(self, act: Callable[[], object]) -> None:
        """Do something on the loop where the venue lives."""
        assert self.loop is not None
        self.loop.call_soon_threadsafe(act)


class Desk(Hand):
    """Hears everything that hands say, in order."""

    heard: list[Any]

    def handle(self, message: Any, now: Any) -> tuple[()]:
        self.memory["heard"].append(message)
        return ()


@attrs.define
class Stage:
    """A running house of hands, its venue, and what was heard."""

    house: House
    venue: ScriptedVenue
    heard: list[Any]
    news: list[Any]
    board: Board
    gate: list[int]
    past: list[float]

    def of(self, kind: type) -> list[Any]:
        """What was heard of one kind."""
        return [each for each in self.heard if isinstance(each, kind)]

    def one(self, kind: type) -> Any:
        """The one report of a kind, waited for."""
        wait_until(lambda: self.of(kind), 5, kind.__name__)
        assert self.house.settled(5)
        (found,) = self.of(kind)
        return found

    def place(self, order: RealOrder | None = None, *, gate: int | None = 3, valid_s: float = 5.0) -> RealOrder:
        """Post one placement."""
        order = an_order() if order is None else order
        until = clock().mono + valid_s
        self.house.post(PlaceOrder(order=order, gate=gate, valid_until_mono=until), sender="journal")
        return order


HANDS: dict[str, Callable[[ScriptedVenue, Stage], Hand]] = {
    "gateway": lambda venue, stage: GatewayActor(
        venue=venue, gate=lambda: stage.gate[0], mono=lambda: clock().mono + stage.past[0], observe=False
    ),
    "observer": lambda venue, stage: GatewayActor(
        venue=venue, gate=lambda: stage.gate[0], mono=lambda: clock().mono, observe=True
    ),
    "lookup": lambda venue, stage: LookupActor(venue=venue),
    "user_stream": lambda venue, stage: UserStreamActor(venue=venue, symbols=(SYMBOL,)),
    "market_stream": lambda venue, stage: MarketStreamActor(
        venue=venue, board=stage.board, symbols=(SYMBOL,), crowded=lambda: stage.gate[0] == 99
    ),
}


@contextlib.contextmanager
def hands(*names: str) -> Iterator[Stage]:
    """A house with these hands and a listener; nothing is left of it afterwards."""
    before = set(threading.enumerate())
    venue, heard, news = ScriptedVenue(), [], []
    stage = Stage(None, venue, heard, news, Board(), [3], [0.0])  # type: ignore[arg-type]  # the house follows
    makers = {name: (lambda name=name: HANDS[name](venue, stage)) for name in names}
    rows = [ActorSpec("ear", Desk, "listen")]
    rows += [ActorSpec(name, make, "wire", retry_letter=False, tick_s=0.05) for name, make in makers.items()]
    first = {"observer": "observer"}.get(names[0], "gateway")
    routes: dict[type, tuple[Any, ...]] = dict.fromkeys(TOLD, ("ear",))
    wanted = {
        PlaceOrder: first, PlaceCancel: first, QueryOrder: "lookup", TakeSnapshot: "lookup", ListOpenOrders: "lookup",
        CloseVenue: "user_stream", EndGeneration: "user_stream",
    }  # fmt: skip
    routes |= {kind: (name,) for kind, name in wanted.items() if name in names}
    aside: dict[str, Callable[[Any], Iterable[object]]] = {
        "gateway": lambda message: gateway.set_aside(message, house.mailbox("gateway").memory),
        "lookup": lookup.set_aside,
    }
    house = House(
        rows, routes, clock=clock, on_event=news.append,
        on_set_aside=lambda letter, name: aside[name](letter.message) if name in aside else (),
    )  # fmt: skip
    stage.house = house
    house.mailbox("ear").memory["heard"] = heard
    house.start()
    try:
        yield stage
    finally:
        venue.go.set()
        assert house.stop(10)
    wait_until(lambda: set(threading.enumerate()) <= before, 5, "no thread is left")


# -- the last look -----------------------------------------------------------------------------------------------------


def test_a_good_order_is_placed_once_and_its_answer_is_told() -> None:
    """Every look is passed: the venue is asked once, not unheard, and what it says is reported."""
    with hands("gateway") as stage:
        order = stage.place()
        assert stage.one(PlacementUnknown).id == order.id
        assert stage.venue.placed == [(order.id, False)]


def test_an_order_that_waited_too_long_is_not_signed() -> None:
    """Past its last moment it is refused as never sent."""
    with hands("gateway") as stage:
        stage.place(valid_s=-0.001)
        refused = stage.one(PlacementRefused)
        assert (refused.reason, refused.sent) == (Reason.HOUSE_EXPIRED, False)
        assert stage.venue.placed == []


def test_a_clock_that_jumps_between_record_and_wire_expires_the_order() -> None:
    """The clock is read at the wire, not when the letter was written."""
    with hands("gateway") as stage:
        stage.past[0] = 6.0
        stage.place(valid_s=5.0)
        assert stage.one(PlacementRefused).reason is Reason.HOUSE_EXPIRED
        assert stage.venue.placed == []


def test_a_gate_that_moved_stops_what_had_passed_it() -> None:
    """A cause opened after the order passed the breaker: it is not signed. The number must be the very same."""
    with hands("gateway") as stage:
        for passed in (2, 4):
            stage.place(an_order(id=f"rt_1_grid_n{passed}"), gate=passed)
        wait_until(lambda: len(stage.of(PlacementRefused)) == 2, 5, "both are refused")
        assert {refused.reason for refused in stage.of(PlacementRefused)} == {Reason.BREAKER_GATE_MOVED}
        assert stage.venue.placed == []


def test_a_gateway_that_was_replaced_signs_nothing() -> None:
    """Its loop hung, it was fenced, and now it goes on: its order was answered for already."""
    venue, life = ScriptedVenue(), Incarnation(Mailbox(ActorSpec("gateway", GatewayActor, "wire")), 1)
    with staffing(life):
        late = GatewayActor(venue=venue, gate=lambda: 3, mono=lambda: 0.0, observe=False)
    assert life.fence()
    with contextlib.suppress(Fenced):
        asyncio.run(late.place(PlaceOrder(order=an_order(), gate=3, valid_until_mono=5.0)))
    assert venue.placed == []


def test_what_only_reduces_passes_every_gate_and_may_go_unheard() -> None:
    """An order without a gate number asks for no gate, and a missing stream does not hold it."""
    with hands("gateway") as stage:
        order = stage.place(gate=None)
        stage.one(PlacementUnknown)
        assert stage.venue.placed == [(order.id, True)]


def test_the_same_order_twice_is_placed_once() -> None:
    """The same id again, even while the first is under way or after a restart of the gateway, goes nowhere."""
    with hands("gateway") as stage:
        stage.venue.slow.set()
        stage.place()
        wait_until(lambda: stage.venue.placed, 5, "under way")
        stage.place()
        stage.venue.go.set()
        stage.one(PlacementUnknown)
        stage.house.inject("gateway", FaultKind.EXCEPTION)
        wait_until(lambda: [each for each in stage.news if isinstance(each, ActorRestarted)], 5, "restarted")
        stage.place()
        other = stage.place(an_order(id="rt_1_grid_n2"))
        wait_until(lambda: len(stage.of(PlacementUnknown)) == 2, 5, "the other is answered")
        assert [order_id for order_id, _ in stage.venue.placed] == [an_order().id, other.id]


def test_an_order_under_way_when_the_gateway_dies_is_unknown() -> None:
    """What may be at the exchange is answered as unknown by the house, once, and never sent again."""
    with hands("gateway") as stage:
        stage.venue.slow.set()
        order = stage.place()
        wait_until(lambda: stage.venue.placed, 5, "under way")
        stage.house.inject("gateway", FaultKind.EXCEPTION)
        assert stage.one(PlacementUnknown).detail == "the gateway died over it"
        stage.venue.go.set()
        stage.place(order)
        assert stage.house.settled(5)
        assert len(stage.venue.placed) == 1


def test_in_mode_observe_nothing_is_sent() -> None:
    """An observing house refuses at the wire whatever came so far."""
    with hands("observer") as stage:
        stage.place()
        refused = stage.one(PlacementRefused)
        assert (refused.reason, refused.sent) == (Reason.HOUSE_OBSERVING, False)
        assert stage.venue.placed == []


def test_a_refused_timestamp_has_the_clock_measured_and_told() -> None:
    """After a refusal for its clock the house measures at once and says what it found."""
    with hands("gateway") as stage:
        stage.venue.offset_s = 4.0
        stage.venue.answer = lambda order: PlacementRefused(
            id=order.id, reason=Reason.VENUE_CLOCK, code=-1021, message="Timestamp", sent=True
        )
        stage.place()
        assert stage.one(ClockMeasured).offset_s == 4.0
        assert stage.one(PlacementRefused).code == -1021


def test_a_cancel_asks_for_no_gate() -> None:
    """Cancels go out whatever the gate says, and their answer is told."""
    with hands("gateway") as stage:
        stage.gate[0] = 77
        command = PlaceCancel(id="rt_1_grid_n1", symbol=SYMBOL, exchange_order_id=9, cancel_id="rt_1_grid_c1")
        stage.house.post(command, sender="orders")
        assert stage.one(CancelAnswered).certain is False
        assert stage.venue.asked == ["cancel rt_1_grid_n1"]


# -- look-ups ----------------------------------------------------------------------------------------------------------


def a_query(order_id: str = "rt_1_grid_n1") -> QueryOrder:
    return QueryOrder(id=order_id, symbol=SYMBOL, exchange_order_id=None, created_at=T0, prove=True)


def test_one_subject_is_asked_about_once_at_a_time() -> None:
    """A second question about the same order while the first is open is dropped; another order's goes out; later both may."""
    with hands("lookup") as stage:
        stage.venue.slow.set()
        for order_id in ("a", "a", "b"):
            stage.house.post(a_query(order_id), sender="orders")
        wait_until(lambda: len(stage.venue.asked) == 2, 5, "two questions")
        stage.venue.go.set()
        wait_until(lambda: len(stage.of(LookupFailed)) == 2, 5, "two answers")
        stage.house.post(a_query("a"), sender="orders")
        wait_until(lambda: len(stage.of(LookupFailed)) == 3, 5, "asked again")
        assert stage.venue.asked == ["query a", "query b", "query a"]


def test_a_question_that_dies_is_answered_by_no_answer() -> None:
    """The hand dies over a query and a snapshot: both are told as failed, which is never "none", and it goes on asking."""
    with hands("lookup") as stage:
        stage.venue.slow.set()
        stage.house.post(a_query("a"), sender="orders")
        snapshot = TakeSnapshot(token="round-1", generation=1, symbols=(SYMBOL,), cursors={})
        stage.house.post(snapshot, sender="orders")
        wait_until(lambda: len(stage.venue.asked) == 2, 5, "both are out")
        stage.house.inject("lookup", FaultKind.SYSTEM_EXIT)
        wait_until(lambda: len(stage.of(LookupFailed)) == 2, 5, "both are answered")
        assert {failed.subject for failed in stage.of(LookupFailed)} == {"a", "round-1"}
        stage.venue.go.set()
        stage.house.post(a_query("a"), sender="orders")
        wait_until(lambda: len(stage.of(LookupFailed)) == 3, 5, "the successor asks")


# -- generations -------------------------------------------------------------------------------------------------------


def connected(stage: Stage, generation: int) -> None:
    wait_until(lambda: [c for c in stage.of(StreamConnected) if c.generation == generation], 5, f"generation {generation}")


def test_each_loss_begins_the_next_generation() -> None:
    """Clock and rules are told before a generation is; its end is told once; late words of an old one end nothing."""
    with hands("user_stream") as stage:
        connected(stage, 1)
        kinds = [type(each) for each in stage.heard if not isinstance(each, QuotesMoved)][:3]
        assert kinds == [ClockMeasured, RulesReported, StreamConnected]
        first = stage.venue.generations[1]
        stage.venue.on_loop(lambda: first(StreamLost(generation=1, detail="cut")))
        connected(stage, 2)
        stage.venue.on_loop(lambda: first(StreamLost(generation=1, detail="cut again")))
        stage.venue.on_loop(lambda: stage.venue.generations[2](StreamLost(generation=2, detail="and this")))
        connected(stage, 3)
        assert [(lost.generation, lost.detail) for lost in stage.of(StreamLost)] == [(1, "cut"), (2, "and this")]


def test_a_venue_that_will_not_connect_is_tried_again_and_the_loss_is_told_once() -> None:
    """Refusals in a row: one `StreamLost` for the first, new numbers for each attempt, connected in the end."""
    with hands("user_stream") as stage:
        connected(stage, 1)
        stage.venue.refusals = [VenueUnknown("down"), VenueThrottled("slower", retry_at_ms=1), VenueUnknown("down")]
        stage.venue.on_loop(lambda: stage.venue.generations[1](StreamLost(generation=1, detail="cut")))
        connected(stage, 5)
        assert [lost.generation for lost in stage.of(StreamLost)] == [1, 2]


def test_a_restarted_stream_actor_voids_its_predecessors_generation() -> None:
    """The successor says that the old connection is lost, and connects as the next generation."""
    with hands("user_stream") as stage:
        connected(stage, 1)
        stage.house.inject("user_stream", FaultKind.EXCEPTION)
        connected(stage, 2)
        assert [lost.generation for lost in stage.of(StreamLost)] == [1]


def test_the_clock_is_measured_at_every_tick() -> None:
    """While connected each tick measures; a changed offset is told."""
    with hands("user_stream") as stage:
        connected(stage, 1)
        stage.venue.offset_s = 2.5
        wait_until(lambda: stage.of(ClockMeasured)[-1].offset_s == 2.5, 5, "measured again")
        assert stage.of(ClockMeasured)[0].offset_s == 0.1


def test_what_the_stream_tells_is_passed_on_and_counted() -> None:
    """Reports reach the routes unchanged and are counted by kind."""
    with hands("user_stream") as stage:
        connected(stage, 1)
        told = ExecutionReported(report=a_report("NEW"), generation=1)
        stage.venue.on_loop(lambda: stage.venue.generations[1](told))
        assert stage.one(ExecutionReported) == told
        assert stage.venue.gauges.heard[("user_data", "execution")] == 1


def test_closing_ends_the_last_generation_and_begins_none() -> None:
    """A wish to close closes the venue, says so, and nothing connects any more."""
    with hands("user_stream") as stage:
        connected(stage, 1)
        stage.house.post(CloseVenue(), sender="engine")
        stage.one(VenueClosed)
        stage.venue.on_loop(lambda: stage.venue.generations[1](StreamLost(generation=1, detail="closed")))
        assert stage.house.settled(5)
        assert stage.venue.asked == ["close"]
        assert list(stage.venue.generations) == [1]


# -- quotes ------------------------------------------------------------------------------------------------------------


def a_quote(bid: str) -> Quote:
    return Quote(symbol=SYMBOL, bid=Decimal(bid), ask=Decimal(bid) + 1, last=Decimal(bid), at=T0, mono=clock().mono)


def quote(stage: Stage, bid: str) -> None:
    wait_until(lambda: stage.venue.watches, 5, "watching")
    over, on_quote = stage.venue.watches[-1]
    over.get_loop().call_soon_threadsafe(on_quote, a_quote(bid))


def test_quotes_go_to_the_board_and_are_told_conflated() -> None:
    """A hundred quotes in one breath: the board has the last, and keepers are told a few times at most."""
    with hands("market_stream") as stage:
        for bid in range(100, 200):
            quote(stage, str(bid))
        wait_until(lambda: (found := stage.board.get(SYMBOL)) is not None and found.bid == 199, 5, "the last one")
        wait_until(lambda: stage.of(QuotesMoved), 5, "told")
        assert len(stage.of(QuotesMoved)) < 20
        assert stage.of(QuotesMoved)[0].symbols == {SYMBOL}
        assert len(stage.of(MarketStreamConnected)) == 1


def test_crowded_keepers_are_not_told_until_they_have_read() -> None:
    """While the keepers have too much to read the board moves on silently; afterwards one letter tells it."""
    with hands("market_stream") as stage:
        stage.gate[0] = 99
        quote(stage, "100")
        wait_until(lambda: stage.board.get(SYMBOL), 5, "on the board")
        assert stage.of(QuotesMoved) == []
        stage.gate[0] = 3
        wait_until(lambda: stage.of(QuotesMoved), 5, "told")


@pytest.mark.parametrize("failure", [None, VenueUnknown("the market stream was lost")])
def test_a_market_stream_that_ends_is_watched_again(failure: Exception | None) -> None:
    """Ended in order or lost: told once, watched again, and quotes move the board as before."""
    with hands("market_stream") as stage:
        quote(stage, "100")
        wait_until(lambda: stage.of(MarketStreamConnected), 5, "connected")
        over, _ = stage.venue.watches[0]
        end = (lambda: over.set_result(None)) if failure is None else (lambda: over.set_exception(failure))
        over.get_loop().call_soon_threadsafe(end)
        wait_until(lambda: len(stage.venue.watches) == 2, 5, "watched again")
        quote(stage, "300")
        wait_until(lambda: (found := stage.board.get(SYMBOL)) is not None and found.bid == 300, 5, "quotes again")
        wait_until(lambda: len(stage.of(MarketStreamConnected)) == 2, 5, "told again")
        assert [lost.generation for lost in stage.of(MarketStreamLost)] == [1]
