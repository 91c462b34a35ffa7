"""Streams that end in every way, amid fills: a new generation is built and the gap is filled."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from house.fault_kit import (
    CANCEL,
    PLACE,
    Stand,
    Stands,
    quick_ticks,
)
from house.kit import SYMBOL, dripper
from realtrading.domain.events import BreakerChanged
from realtrading.domain.orders import OrderState
from realtrading.domain.reports import MarketStreamLost, StreamLost
from realtrading.venue import sockets, streams
from waiting import wait_until

Ending = Callable[[Stand], object]

ENDINGS: dict[str, Ending] = {
    "cut": lambda stand: stand.judge.call("cut", streams="user", close_frame=False),
    "cut-with-close-frame": lambda stand: stand.judge.call("cut", streams="user", close_frame=True),
    "cut-all": lambda stand: stand.judge.call("cut", streams="all"),
    "eventStreamTerminated": lambda stand: stand.judge.call(
        "frame", frame={"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}
    ),
    "revoked": lambda stand: stand.judge.call(
        "frame", frame={"id": None, "status": 401, "error": {"code": -2015, "msg": "Invalid API-key, IP, or permissions."}}
    ),
}


@pytest.mark.matrix("D7", invariants="G3")
@pytest.mark.parametrize("ending", ENDINGS, ids=str)
def test_a_stream_that_ends_amid_fills_is_replaced_and_the_gap_is_filled(ending: str, stand_at: Stands) -> None:
    """A partly filled order goes on filling while nobody listens: shut for that long, a new generation, every fill found."""
    stand = stand_at()
    ticket = stand.touching()
    stand.step_until(ticket, "PARTIALLY_FILLED")
    generation = stand.generation
    ENDINGS[ending](stand)
    stand.step_until(ticket, "FILLED")
    wait_until(lambda: stand.generation == generation + 1, 10, "a new generation")
    wait_until(lambda: stand.engine.is_ready, 10, "reopened")
    stand.until(ticket, OrderState.FILLED)
    assert stand.causes() == {"STREAM_LOST"}
    assert len(stand.ear.of(StreamLost)) == 1, "one end is told once"
    assert stand.healed().clean
    stand.trades_on()


@pytest.mark.matrix("D7", invariants="G3")
@pytest.mark.parametrize("why", ["serverShutdown", "old age"])
def test_an_end_that_was_foreseen_costs_nothing(why: str, stand_at: Stands, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next generation is subscribed before the last one ends: orders go out all the time, what is told on both is
    booked once, and nothing is ever shut."""
    if why == "old age":
        monkeypatch.setattr(streams, "LIFETIME_S", 0.7)
    stand = stand_at()
    ticket = stand.touching()
    began, paid = stand.generation, 0
    if why == "serverShutdown":
        stand.judge.call("shutdown_notice", now=True)

    def replaced() -> bool:
        nonlocal paid
        stand.trades_on()
        stand.judge.call("deposit", asset="DUST", amount="1")
        paid += 1
        stand.step()
        return stand.generation > began + (why == "old age")

    wait_until(replaced, 20, "another generation")
    monkeypatch.undo()
    stand.step_until(ticket, "FILLED")
    stand.until(ticket, OrderState.FILLED)
    wait_until(lambda: stand.engine.balances.get("DUST") == paid, 5, "every deposit once")
    wait_until(lambda: stand.judge.call("state")["user_subscriptions"] == 1, 5, "the old connection is closed")
    assert stand.ear.of(StreamLost) == []
    assert stand.causes() == set()
    stand.judge.call("withdraw", asset="DUST", amount=str(paid))
    assert stand.healed().clean


def test_nothing_new_passes_while_the_stream_is_gone_but_exits_and_cancels_do(stand_at: Stands) -> None:
    """Between two generations entries are refused with the cause; exits and cancels go out over REST and are answered."""
    stand = stand_at()
    stand.trades_on()
    ticket = stand.resting()
    stand.fault("status_before", {"method": "userDataStream.subscribe.signature"}, count=None, status=503)
    stand.judge.call("cut", streams="user")
    wait_until(lambda: stand.judge.call("faults")["faults"][0]["fired"], 5, "a new stream is refused")
    assert stand.now_open() == {"STREAM_LOST"}
    entry = stand.buy()
    assert entry.wait(5) is not None
    assert entry.detail.startswith("BREAKER_STREAM_LOST")
    stand.engine.cancel(ticket.id)
    stand.until(ticket, OrderState.CANCELLED)
    exit_ = stand.engine.sell(SYMBOL, quantity=Decimal("0.0005"))
    sold = exit_.wait(5)
    assert sold is not None
    assert sold.state is OrderState.FILLED, exit_.detail
    assert stand.now_open() == {"STREAM_LOST"}
    assert stand.healed().clean
    stand.trades_on()


@pytest.mark.slow
def test_a_subscription_whose_answer_is_torn_is_given_up_and_tried_again(stand_at: Stands) -> None:
    """The answer to subscribe cannot be read: after the 12 s that an answer may take another connection is made."""
    stand = stand_at()
    stand.fault("answer_garbage", {"method": "userDataStream.subscribe.signature"})
    stand.judge.call("cut", streams="user")
    wait_until(lambda: stand.now_open() == {"STREAM_LOST"}, 5, "shut")
    wait_until(lambda: stand.engine.is_ready, 30, "reopened")
    assert stand.healed().clean


@pytest.mark.parametrize("transport", ["place", "cancel"])
def test_a_stream_that_is_cut_by_the_very_request(transport: str, stand_at: Stands) -> None:
    """The connection dies at the moment the order (or its cancel) is executed; the answer comes over another one."""
    stand = stand_at()
    if transport == "place":
        stand.fault("cut_stream", PLACE)
        ticket = stand.buy()
        stand.until(ticket, OrderState.FILLED)
    else:
        ticket = stand.resting()
        stand.fault("cut_stream", CANCEL)
        stand.engine.cancel(ticket.id)
        stand.until(ticket, OrderState.CANCELLED)
    wait_until(lambda: stand.ear.of(StreamLost), 5, "the loss is told")
    assert stand.healed().clean


def test_an_order_lost_together_with_the_stream(stand_at: Stands) -> None:
    """Executed, the answer dropped and the stream cut at once: nothing is heard of it, and it is found."""
    stand = stand_at()
    stand.fault("cut_stream", PLACE)
    stand.fault("drop_after", PLACE)
    ticket = stand.buy()
    stand.until(ticket, OrderState.FILLED)
    assert stand.healed().clean
    assert len(stand.asked("place")) == 1


def test_events_in_one_piece_with_the_subscriptions_answer_are_heard(stand_at: Stands) -> None:
    """The answer to subscribe and what follows it arrive as one burst: none is lost (python-binance loses them). Money
    that arrived in it is told by its event alone."""
    stand = stand_at()
    ticket = stand.touching()
    generation = stand.generation
    stand.fault("burst", {"method": "userDataStream.subscribe.signature"}, ms=400)
    stand.judge.call("cut", streams="user")
    wait_until(lambda: stand.judge.call("state")["user_subscriptions"] == 1, 5, "subscribed again")
    assert stand.generation == generation, "its answer is held back"
    stand.judge.call("deposit", asset="USDT", amount="7")
    stand.step_until(ticket, "FILLED")
    stand.until(ticket, OrderState.FILLED)
    assert stand.flow("USDT", "deposit") == 7
    assert stand.healed().clean
    assert "DRIFT" not in stand.causes()


def test_a_stream_that_cannot_be_had_is_tried_again(stand_at: Stands) -> None:
    """Subscribing fails twice in different ways; the house stays shut, tries again, and reopens."""
    stand = stand_at()
    subscribe = {"method": "userDataStream.subscribe.signature"}
    stand.fault("drop_after", subscribe)
    stand.fault("status_before", {**subscribe, "nth": 2}, status=503)
    stand.judge.call("cut", streams="user")
    wait_until(lambda: stand.now_open() == {"STREAM_LOST"}, 5, "shut")
    wait_until(lambda: stand.engine.is_ready, 30, "reopened")
    assert stand.healed().clean
    stand.trades_on()


@pytest.mark.matrix("D7", invariants="G3")
def test_a_subscription_that_the_exchange_forgot_is_missed(stand_at: Stands, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection answers pings and requests, and no event will ever come: asked at each tick (30 s in production),
    the exchange lists no subscription; the next generation finds what was filled meanwhile."""
    quick_ticks(monkeypatch, user_stream=0.3)
    stand = stand_at()
    ticket = stand.touching()
    stand.step_until(ticket, "PARTIALLY_FILLED")
    generation = stand.generation
    assert stand.judge.call("forget", streams="user") == {"forgotten": 1}
    stand.step_until(ticket, "FILLED")
    wait_until(lambda: stand.generation == generation + 1, 10, "a new generation")
    [lost] = stand.ear.of(StreamLost)
    assert lost.detail == "the venue lists this subscription no longer"
    stand.until(ticket, OrderState.FILLED)
    assert stand.healed().clean
    stand.trades_on()


@pytest.mark.matrix("D6", invariants="G3")
def test_a_half_open_connection_is_found_out_by_its_ping(stand_at: Stands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said, heard or closed: no pong within the ping's time, at most 40 s in production, and the next
    generation finds what was filled in between."""
    assert sockets.PING_EVERY_S + sockets.PONG_WITHIN_S <= 40
    monkeypatch.setattr(sockets, "PING_EVERY_S", 0.5)
    monkeypatch.setattr(sockets, "PONG_WITHIN_S", 0.5)
    stand = stand_at()
    ticket = stand.touching()
    stand.step_until(ticket, "PARTIALLY_FILLED")
    generation = stand.generation
    assert stand.judge.call("freeze", streams="user") == {"frozen": 1}
    stand.step_until(ticket, "FILLED")
    wait_until(lambda: stand.generation == generation + 1, 10, "a new generation")
    [lost] = stand.ear.of(StreamLost)
    assert "ping timeout" in lost.detail
    stand.until(ticket, OrderState.FILLED)
    assert stand.healed().clean
    stand.trades_on()


def test_a_dozen_cuts_in_a_row(stand_at: Stands) -> None:
    """Every new generation is cut while an order fills: no fill twice, none missing, and it ends open."""
    stand = stand_at()
    ticket = stand.touching()
    for _ in range(6):
        stand.step()
        generation = stand.generation
        stand.judge.call("cut", streams="user")
        stand.step()
        wait_until(lambda seen=generation: stand.generation > seen, 10, "the next generation")
    stand.step_until(ticket, "FILLED")
    assert stand.healed().clean
    assert stand.state(ticket) is OrderState.FILLED


# -- quotes ------------------------------------------------------------------------------------------------------------

def test_a_strategy_goes_on_trading_after_every_stream_was_cut(stand_at: Stands) -> None:
    """User and market streams die together, twice: the strategy hears quotes again and its orders fill again."""
    stand = stand_at(strategies=(dripper(),))

    def filled() -> int:
        stand.step()
        return sum(order.state is OrderState.FILLED for order in stand.engine.orders.values())

    for _ in range(2):
        before = filled()
        wait_until(lambda done=before: filled() >= done + 2, 15, "it trades")
        generation = stand.generation
        stand.judge.call("cut", streams="all")
        wait_until(lambda seen=generation: stand.generation > seen, 10, "a new generation")
    wait_until(lambda: stand.engine.is_ready, 10, "reopened")
    before = filled()
    wait_until(lambda: filled() >= before + 2, 15, "it trades again")
    stand.engine.stop_strategies()
    assert stand.healed().clean


@pytest.mark.parametrize("close_frame", [False, True])
def test_a_market_stream_that_ends_is_opened_again(close_frame: bool, stand_at: Stands) -> None:
    """Quotes stop, the loss is told, quotes move again; orders have nothing to do with it."""
    stand = stand_at()
    stand.step()
    stand.bid  # noqa: B018  # waits for a quote
    mark = len(stand.ear.heard)
    stand.judge.call("cut", streams="market", close_frame=close_frame)
    wait_until(lambda: stand.ear.of(MarketStreamLost), 5, "the loss is told")
    wait_until(lambda: stand.judge.call("state")["market_connections"] == 1, 5, "connected again")
    at = stand.engine.quotes[SYMBOL].mono

    def moved() -> bool:
        stand.step()
        return stand.engine.quotes[SYMBOL].mono > at

    wait_until(moved, 10, "quotes move again")
    assert not any(isinstance(each, BreakerChanged) for _, each in stand.ear.heard[mark:])
    assert stand.healed().clean
    stand.trades_on()
