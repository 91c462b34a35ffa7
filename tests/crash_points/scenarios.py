"""The scenarios in which a house is killed: one command in flight at a time, so that the N-th call is the same operation."""

import os
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from crash_points.stage import Child, gate_thread, new_engine
from house.invariants import above_limits, unlike_disk
from house.kit import LOT, SYMBOL, Judge, quiet, violations, wait_ready
from realtrading.engine import RealTradingEngine
from realtrading.journal import store
from realtrading.tickets import Ticket
from waiting import DeadlinePassed, wait_until

PART = Decimal("0.01")
"""More than any single trade of the generated market, so that it is filled in parts."""
KNOWN_S = 75.0
OFTEN = 4


@attrs.frozen
class Player:
    """Plays a scenario inside the engine's process, and tells the parent what the caller was promised."""

    engine: RealTradingEngine
    judge: Judge
    child: Child

    def recorded(self, ticket: Ticket) -> Ticket:
        """Wait until the order is on disk; from now on its caller counts on it."""
        assert ticket.wait_recorded(20), ticket.detail
        self.child.say(recorded=ticket.id)
        return ticket

    def done(self, ticket: Ticket) -> None:
        """Wait for the order's end, and for everybody who has to hear of it."""
        self.recorded(ticket)
        ticket.wait(30)
        order = ticket.order
        assert order is not None
        assert ticket.is_final, order
        self.child.say(final=order.id, state=str(order.state), executed=str(order.executed_quantity))
        self.settled()

    def settled(self) -> None:
        """Until nothing is under way between the actors."""
        assert self.engine.settled(20)

    def rest(self, share: str = "1", quantity: Decimal = PART) -> Ticket:
        """A limit buy at this share of the best bid, placed and resting."""
        wait_until(lambda: SYMBOL in self.engine.quotes, 20, "a quote")
        bid = self.engine.quotes[SYMBOL].bid * Decimal(share)
        ticket = self.engine.buy(SYMBOL, quantity=quantity, price=bid.quantize(Decimal("0.01")), rests=True)
        self.recorded(ticket)
        wait_until(lambda: ticket.order is not None and ticket.order.exchange_order_id is not None, 20, "it rests")
        self.settled()
        return ticket

    def step_until(self, over: Callable[[], Any], trades: int = 40) -> None:
        """Move the market until then."""

        def moved() -> Any:
            if over():
                return True
            self.judge.call("step", trades=trades)
            self.settled()
            return over()

        wait_until(moved, 30, "the market gets there")


def _nothing(player: Player) -> None:
    """No preparation."""


@attrs.frozen
class Scenario:
    """`prepare` runs before strace looks, `play` while it looks. `from_start`: `prepare` belongs to an earlier life, killed
    at its end, `between` happens while nobody lives, and what is looked at is the start of the next. `often`: the journal
    makes its checkpoints after a few records instead of thousands."""

    name: str
    play: Callable[[Player], None]
    prepare: Callable[[Player], None] = _nothing
    between: Callable[[Judge], None] = lambda judge: None
    roles: tuple[str, ...] = ("journal", "wire")
    from_start: bool = False
    often: bool = False

    def new_engine(self, judge: Judge, folder: Path) -> RealTradingEngine:
        """The engine it is played with; in this process the journal's numbers are the scenario's."""
        if self.often:
            store.CHECKPOINT_FORCED = store.KEPT_EVERY = OFTEN
            store.KEPT_FORCED = 2 * OFTEN
        return new_engine(judge, folder)


# -- what is played ---------------------------------------------------------------------------------------------------


def market(player: Player) -> None:
    """A market buy and a market sell, each answered in full."""
    player.done(player.engine.buy(SYMBOL, quantity=LOT))
    player.done(player.engine.sell(SYMBOL, quantity="0.0005"))


def checkpoints(player: Player) -> None:
    """Orders during which the journal moves its log into the file, and keeps all rows for the next start."""
    market(player)
    player.done(player.engine.buy(SYMBOL, quantity=LOT))


def limit_in_parts(player: Player) -> None:
    """A limit that rests and is filled in parts."""
    ticket = player.rest()
    player.step_until(lambda: ticket.is_final)
    player.done(ticket)


def cancel_race(player: Player) -> None:
    """One cancel of a resting order; another that meets fills on its way."""
    far = player.rest("0.99", LOT)
    player.engine.cancel(far.id)
    player.done(far)
    near = player.rest()
    player.judge.fault("delay_before", {"kind": "cancel"}, ms=60)
    player.engine.cancel(near.id)
    player.judge.call("step", trades=120)
    player.done(near)


def unknown_outcome(player: Player) -> None:
    """Orders that were executed and whose answer is lost: no answer at all, and a 503 with -1007."""
    player.judge.fault("drop_event", {"kind": "event"}, count=None)
    player.judge.fault("drop_after", {"kind": "place"})
    player.done(player.engine.buy(SYMBOL, quantity=LOT))
    player.judge.fault("status_after", {"kind": "place"}, status=503, code=-1007)
    player.done(player.engine.buy(SYMBOL, quantity=LOT))
    player.judge.heal()


def gap(player: Player) -> None:
    """A resting order is filled while the stream is down."""
    ticket = player.rest()
    player.judge.call("cut", streams="user")
    for _ in range(12):
        player.judge.call("step", trades=40)
    player.done(ticket)
    wait_ready(player.engine, 20)
    player.settled()


def live_orders(player: Player) -> None:
    """A position, an order far away, and one near the market."""
    player.done(player.engine.buy(SYMBOL, quantity=LOT))
    player.rest("0.99", LOT)
    player.rest()


def left_by_a_crash(player: Player) -> None:
    """The same, and an order whose answer nobody heard."""
    live_orders(player)
    player.judge.fault("drop_event", {"kind": "event"}, count=None)
    player.judge.fault("delay_after", {"kind": "place"}, ms=1_500)
    player.recorded(player.engine.buy(SYMBOL, quantity=LOT))
    wait_until(lambda: player.judge.call("faults")["faults"][-1]["fired"], 10, "it is executed")


def filled_meanwhile(judge: Judge) -> None:
    """While nobody lives the market moves, and somebody trades by hand."""
    judge.heal()
    judge.call("step", trades=400)
    judge.call("orders", symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.002")


def started(player: Player) -> None:
    """Confirmed, and every order's fate known."""
    quiet(player.engine, KNOWN_S)


def foreign_trades(player: Player) -> None:
    """Somebody trades, deposits and withdraws by hand; two rounds look at it."""
    player.done(player.engine.buy(SYMBOL, quantity=LOT))
    player.judge.call("orders", symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.003")
    player.judge.call("deposit", asset="USDT", amount="12.5")
    assert player.engine.reconcile(30) is not None
    player.judge.call("orders", symbol=SYMBOL, side="SELL", type="MARKET", quantity="0.002")
    player.judge.call("withdraw", asset="USDT", amount="3")
    assert player.engine.reconcile(30) is not None
    player.settled()


def shutdown(player: Player) -> None:
    """An orderly end with live orders, which stay at the exchange."""
    assert player.engine.stop(20)


SCENARIOS = (
    Scenario("market", market),
    Scenario("limit-in-parts", limit_in_parts),
    Scenario("cancel-race", cancel_race),
    Scenario("unknown-outcome", unknown_outcome),
    Scenario("gap", gap),
    Scenario("checkpoints", checkpoints, roles=("journal",), often=True),
    Scenario("foreign-trades", foreign_trades),
    Scenario("shutdown", shutdown, prepare=live_orders, roles=("main", "journal", "wire")),
    Scenario("first-start", started, roles=("main", "journal", "wire"), from_start=True),
    Scenario("recovery", started, prepare=left_by_a_crash, between=filled_meanwhile, roles=("main", "journal", "wire"),
             from_start=True),
)  # fmt: skip
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}

# -- the lives --------------------------------------------------------------------------------------------------------


def prepared_life(scenario: Scenario, judge: Judge, folder: Path) -> Callable[[Child], None]:
    """A life before the one that is looked at; it is killed when it has said that it is done."""

    def live(child: Child) -> None:
        player = Player(new_engine(judge, folder).start(), judge, child)
        scenario.prepare(player)
        child.say(done=True)
        child.await_go()

    return live


def watched_life(scenario: Scenario, judge: Judge, folder: Path, role: str) -> Callable[[Child], None]:
    """The life that is looked at: it says which thread to look at, waits, plays, and says that it is done."""

    def live(child: Child) -> None:
        engine = scenario.new_engine(judge, folder)
        if scenario.from_start:
            if role == "main":
                child.say(tid=os.getpid())
                child.await_go()
            else:
                gate_thread(child, f"desk-{role}")
            engine.start()
            player = Player(engine, judge, child)
        else:
            engine.start()
            player = Player(engine, judge, child)
            scenario.prepare(player)
            player.settled()
            child.say(tid=_thread_of(role))
            child.await_go()
        scenario.play(player)
        child.say(done=True)
        child.await_go()

    return live


def _thread_of(role: str) -> int | None:
    if role == "main":
        return os.getpid()  # the thread object still has the number it had before the fork
    return next(thread.native_id for thread in threading.enumerate() if thread.name == f"desk-{role}")


def last_life(judge: Judge, folder: Path) -> Callable[[Child], None]:
    """Start again, wait until every fate is known and a round is clean, and say where exchange and engine disagree."""

    def live(child: Child) -> None:
        engine = new_engine(judge, folder).start(ready_timeout_s=60)
        quiet(engine, KNOWN_S)
        wait_ready(engine, 60)
        expect_clean(engine)
        quiet(engine)
        child.say(wrong=[*violations(judge, engine), *above_limits(judge, engine), *unlike_disk(engine)])
        child.say(stopped=engine.stop(20))

    return live


def expect_clean(engine: RealTradingEngine) -> None:
    """A round that finds nothing, in time; else what the last one found."""
    rounds: list[object] = []

    def clean() -> bool:
        done = engine.reconcile(30)
        rounds.append(done)
        return done is not None and done.clean

    try:
        wait_until(clean, 60, "a clean round")
    except DeadlinePassed as late:
        raise DeadlinePassed(f"{late}: {rounds[-1]}; open: {engine.why_not_ready()}") from None
