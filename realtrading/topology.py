"""THE PAGE: which actors there are, who serves them, what they recover from, and who hears what.

If a change cannot be seen here, it is not architecture. `python -m realtrading --map` prints it.
"""
from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from realtrading.actors import order_echoes, order_events, order_polls, order_reset
from realtrading.actors.balances import BalancesActor
from realtrading.actors.breaker import BreakerActor
from realtrading.actors.feed import FeedActor
from realtrading.actors.gateway import GatewayActor
from realtrading.actors.journal import JournalActor
from realtrading.actors.lookup import LookupActor
from realtrading.actors.orders import OrdersActor
from realtrading.actors.positions import PositionsActor
from realtrading.actors.reconciliation import ReconciliationActor
from realtrading.actors.reconciliation_plan import PlanChanged
from realtrading.actors.risk import RiskActor
from realtrading.actors.strategy import StrategyActor
from realtrading.actors.streams import MarketStreamActor, UserStreamActor
from realtrading.domain import commands as c
from realtrading.domain import events as e
from realtrading.domain import reports as r
from realtrading.runtime.spec import Budget, Receiver

MAP_WIDTH = 160
BUDGET = Budget(restarts=5, within_s=60.0)


@attrs.frozen(kw_only=True)
class Row:
    """One actor. `recovers`: which rows of the journal become which of its tables, at a cold start and at a rebuild."""

    name: str
    kind: type
    desk: str
    cold_start: str
    recovers: tuple[tuple[str, str], ...] = ()
    critical: bool = True
    budget: Budget = BUDGET
    tick_s: float | None = None
    hang_s: float = 2.0
    retry_letter: bool = True
    drop_oldest: bool = False
    soft_cap: int = 10_000
    batch_max: int = 1
    fatal: bool = False


ACTORS: tuple[Row, ...] = (
    Row(name="journal", kind=JournalActor, desk="journal", cold_start="run number taken", batch_max=256, hang_s=10.0,
        tick_s=5.0, retry_letter=False, fatal=True),
    Row(name="orders", kind=OrdersActor, desk="money", cold_start="live orders are asked about", tick_s=0.1,
        recovers=(("orders", "orders"), ("cursors", "cursors"))),
    Row(name="positions", kind=PositionsActor, desk="money", cold_start="as recorded",
        recovers=(("positions", "positions"),)),
    Row(name="balances", kind=BalancesActor, desk="money", cold_start="as recorded", recovers=(("ledger", "ledger"),)),
    Row(name="risk", kind=RiskActor, desk="money", cold_start="holds computed anew", tick_s=1.0,
        recovers=(("day", "day"), ("positions", "positions_heard"), ("ledger", "balances_heard"))),
    Row(name="breaker", kind=BreakerActor, desk="money", cold_start="open: UNCONFIRMED", tick_s=0.25,
        recovers=(("breaker", "breaker"), ("gate", "gate"))),
    Row(name="reconciliation", kind=ReconciliationActor, desk="money", cold_start="a round is due", tick_s=0.25),
    Row(name="gateway", kind=GatewayActor, desk="wire", cold_start="no id seen", retry_letter=False),
    Row(name="lookup", kind=LookupActor, desk="wire", cold_start="nothing asked", retry_letter=False),
    Row(name="user_stream", kind=UserStreamActor, desk="wire", cold_start="not connected", tick_s=30.0,
        retry_letter=False),
    Row(name="market_stream", kind=MarketStreamActor, desk="wire", cold_start="no quotes", retry_letter=False),
    # its letters are tried again: to be told twice harms a listener less than never to hear what became of an order
    Row(name="feed", kind=FeedActor, desk="listen", cold_start="counters at zero", critical=False, drop_oldest=True,
        soft_cap=50_000),
)
"""In start order; stopped in reverse. Strategies follow, one row each, made from STRATEGY."""

STRATEGY = Row(name="strategy:NAME", kind=StrategyActor, desk="own:NAME", cold_start="view healed by totals",
               critical=False, tick_s=0.25, hang_s=5.0, retry_letter=False, drop_oldest=True, soft_cap=5_000)

MINE = "strategy of the order"
ALL = "every strategy"
"""Two receivers that are looked up by key: the one strategy an event is about, and all of them."""

_ORDER = ("risk", "breaker", "journal", "feed", MINE)
_FILL = ("positions", "balances", "risk", "breaker", "journal", "feed", MINE)
_POSITION = ("risk", "journal", "feed", MINE)

ROUTES: Mapping[type, tuple[str, ...]] = {
    # commands: one receiver each
    c.SubmitOrder: ("orders",),
    c.CancelOrder: ("orders",),
    c.VetOrder: ("risk",),
    c.GateOrder: ("breaker",),
    c.RecordOrder: ("journal",),
    c.PlaceOrder: ("gateway",),
    c.PlaceCancel: ("gateway",),
    c.QueryOrder: ("lookup",),
    c.PrepareSnapshot: ("orders",),
    c.TakeSnapshot: ("lookup",),
    c.ListOpenOrders: ("lookup",),
    c.CompareBalances: ("balances",),
    c.JudgeReset: ("balances",),
    c.ExplainBalances: ("balances",),
    c.AcceptDifference: ("balances",),
    c.QueryMovements: ("lookup",),
    c.Reconcile: ("reconciliation",),
    c.CloseVenue: ("user_stream",),
    c.EndGeneration: ("user_stream",),
    c.OpenBreaker: ("breaker",),
    c.CloseBreaker: ("breaker",),
    c.StopStrategies: (ALL,),
    # reports: from the hands
    r.PlacementAcknowledged: ("orders",),
    r.PlacementRefused: ("orders",),
    r.PlacementUnknown: ("orders",),
    r.CancelAnswered: ("orders",),
    r.OrderLookedUp: ("orders",),
    r.OpenOrdersListed: ("orders",),
    r.LookupFailed: ("orders", "reconciliation"),
    r.ExecutionReported: ("orders",),
    r.EventUnreadable: ("orders", "feed"),
    r.AccountReported: ("balances",),
    r.FlowReported: ("balances",),
    r.MovementsFound: ("balances",),
    r.SnapshotTaken: ("orders",),
    r.RulesReported: ("orders", "positions", "balances", "risk", "feed", ALL),
    r.ClockMeasured: ("orders", "breaker", "feed"),
    r.StreamConnected: ("orders", "reconciliation", "feed"),
    r.StreamLost: ("breaker", "reconciliation", "feed"),
    r.MarketStreamConnected: ("feed",),
    r.MarketStreamLost: ("feed",),
    r.QuotesMoved: ("risk", ALL),
    r.VenueClosed: ("feed",),
    # events of orders
    e.OrderAdmitted: (),
    e.OrderSubmitted: ("journal", "feed", MINE),
    e.OrderPlaced: _ORDER,
    e.OrderPartiallyFilled: _FILL,
    e.OrderFilled: _FILL,
    e.OrderCancelled: _FILL,
    e.OrderExpired: _FILL,
    e.OrderRevised: _FILL,
    e.OrderRejected: _ORDER,
    e.OrderUnknown: _ORDER,
    e.OrderAdopted: ("risk", "breaker", "journal", "feed", MINE),
    e.OrderCancelRequested: ("journal", "feed", MINE),
    e.OrderDenied: _ORDER,
    e.OrderVetoed: ("orders",),
    e.OrderBlocked: ("orders",),
    e.OrderRecorded: ("orders", "feed"),
    e.OrderArchived: ("positions", "balances", "journal"),
    e.OrdersStated: ("positions", "balances", "risk", ALL),
    e.TradesCursorMoved: ("journal",),
    e.ExternalTradeSeen: ("balances", "journal", "feed"),
    e.InstanceSuperseded: ("gateway", "journal", "feed"),
    order_events.OrderWatched: (),
    order_events.ArchivedNoted: (),
    order_events.FinalNoted: (),
    order_events.TradesUnmatched: (),
    order_events.ForeignNoted: (),
    order_events.ClockHeard: (),
    order_events.GenerationHeard: (),
    order_echoes.EchoAwaited: (),
    order_polls.PollPlanned: (),
    order_polls.RereadNoted: (),
    order_reset.GoneNoted: (),
    # events of positions and balances
    e.PositionOpened: _POSITION,
    e.PositionUpdated: _POSITION,
    e.PositionClosed: _POSITION,
    e.PositionCut: ("risk", "journal", "feed", ALL),
    e.PositionBookSettled: ("risk", "journal"),
    e.PositionsStated: ("risk", ALL),
    e.BalanceUpdated: ("risk", "journal", "feed"),
    e.BalancesStated: ("risk",),
    e.WalletStated: ("positions",),
    e.DifferencesMeasured: (),
    e.DifferenceAccepted: ("journal", "feed"),
    e.AcceptanceRefused: ("feed",),
    e.ManagedNoted: (),
    e.RulesHeard: (),
    # events of risk and breaker
    e.CommitmentHeld: (),
    e.OrderHeard: (),
    e.PositionHeard: (),
    e.BalanceHeard: (),
    e.RiskDayUpdated: ("journal",),
    e.LimitBreached: ("breaker", "journal", "feed"),
    e.BreakerChanged: ("journal", "feed"),
    e.CircuitBreakerOpened: ("journal", "feed"),
    e.CircuitBreakerClosed: ("journal", "feed"),
    # events of reconciliation
    PlanChanged: (),
    e.OrdersCompared: ("reconciliation",),
    e.BalancesCompared: ("reconciliation",),
    e.AccountResetSeen: ("breaker",),
    e.BalancesExplained: ("reconciliation",),
    e.ReconciliationComplete: ("breaker", "journal", "feed", ALL),
    e.ReconciliationFailed: ("journal", "feed"),
    e.DiscrepancyFound: ("journal", "feed"),
    # events of the house itself
    e.KeeperLost: ("breaker", "journal", "feed"),
    e.MailboxFilled: ("breaker", "journal", "feed"),
    e.ActorRestarted: ("journal", "feed"),
    e.EngineStarted: ("orders", "journal", "feed"),
    e.EngineStopped: ("journal", "feed"),
    e.OperatorCommanded: ("journal", "feed"),
    e.Error: ("journal", "feed"),
}
"""Message type -> who hears it. A type that is not here cannot be sent; an empty tuple is a keeper's note to itself."""


def routes(strategies: Iterable[str]) -> dict[type, tuple[Receiver, ...]]:
    """ROUTES for a house with these strategies: the two looked-up receivers become functions of the message."""
    names = {name: f"strategy:{name}" for name in strategies}
    every = tuple(names.values())

    def mine(message: Any) -> Iterable[str]:
        owner = names.get(message.order.strategy)
        return () if owner is None else (owner,)

    def all_of_them(message: object) -> Iterable[str]:
        return every

    lookups: dict[str, Callable[[Any], Iterable[str]]] = {MINE: mine, ALL: all_of_them}
    return {kind: tuple(lookups.get(name, name) for name in receivers) for kind, receivers in ROUTES.items()}


def the_map() -> str:
    """The page as a person reads it."""
    lines = ["ACTORS (in start order)"]
    lines.append(f"{'name':16} {'desk':9} {'tick':>5} {'hang':>5} {'restarts':>8}  cold start <- recovered tables")
    for row in (*ACTORS, STRATEGY):
        tick = "-" if row.tick_s is None else f"{row.tick_s:g}s"
        restarts = "ends" if row.fatal else f"{row.budget.restarts}/{row.budget.within_s:g}s"
        tables = ", ".join(own if own == kept else f"{own} (from {kept})" for kept, own in row.recovers) or "nothing"
        lines.append(
            f"{row.name:16} {row.desk:9} {tick:>5} {row.hang_s:>4g}s {restarts:>8}  {row.cold_start} <- {tables}"
        )
    lines += ["", "ROUTES (who hears what)"]
    heard: dict[tuple[str, ...], list[str]] = {}
    for kind, receivers in ROUTES.items():
        heard.setdefault(receivers, []).append(kind.__name__)
    for receivers, kinds in heard.items():
        line = f"{', '.join(receivers) or 'a note to itself'} <- {', '.join(kinds)}"
        lines += textwrap.wrap(line, width=MAP_WIDTH, subsequent_indent="    ", break_long_words=False)
    return "\n".join(lines)
