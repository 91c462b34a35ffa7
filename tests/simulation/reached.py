"""Which rare branches a run reached, and whether the nemesis was wild enough to prove anything."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from realtrading.actors.order_events import TradesUnmatched
from realtrading.domain import events as e
from realtrading.domain import reports as r
from realtrading.domain.breaker import CauseKind
from realtrading.domain.orders import OrderState, RealOrder
from realtrading.domain.values import is_ours

from .faults import FAULTS

if TYPE_CHECKING:
    from .invariants import Invariants

RARE = (
    "absence proof", "adoption", "blocked: HOUSE_DUPLICATE", "cause: CLOCK", "cause: DRIFT", "cause: ERRORS",
    "died in its commit", "difference accepted",
    "discrepancy: fill_missed", "escalated", "external trade", "flow explained by a history",
    "flow while blind", "gap fetched", "last look: BREAKER_GATE_MOVED", "last look: HOUSE_EXPIRED", "last look: HOUSE_FAULT",
    "late fill after cancel", "letter set aside", "over-fill", "overflow", "parked fill explained", "placement unknown",
    "position cut", "recovery killed", "recovery killed twice in a row", "revision of a terminal state", "stale pen",
    "start failed",
)  # fmt: skip
"""Branches that ordinary runs do not reach."""

LEAST, OF_SEEDS = 20, 2000
"""Each fault and each rare branch must have been reached so often over so many seeds."""


def tame(reached: Mapping[str, int], seeds: int) -> list[str]:
    """What happened too seldom. The floor falls with the seeds; below 500 only faults count, below 100 nothing does."""
    least = max(1, LEAST * seeds // OF_SEEDS)
    wanted = () if seeds < 100 else FAULTS if seeds < 500 else (*FAULTS, *RARE)
    return [f"too tame: {name} {reached.get(name, 0)} times, wanted {least}" for name in wanted if reached.get(name, 0) < least]


_NAMES: dict[type, str] = {
    e.OrderSubmitted: "orders",
    e.OrderFilled: "filled",
    e.OrderPartiallyFilled: "partly filled",
    e.OrderCancelled: "cancelled",
    e.OrderExpired: "expired",
    e.OrderRejected: "rejected",
    e.OrderUnknown: "unknown",
    e.OrderAdopted: "adoption",
    e.ExternalTradeSeen: "external trade",
    e.PositionCut: "position cut",
    e.OrderArchived: "archived",
    e.OrderDenied: "denied",
    e.ReconciliationFailed: "round void",
    e.LimitBreached: "loss limit",
}


class Reached:
    """Counts what the house says and hears; checks on the way what only this word shows."""

    def __init__(self, judge: "Invariants") -> None:
        self.judge, self.world = judge, judge.world
        self.count: Counter[str] = judge.world.reached
        self.archived: set[str] = set()
        self.cuts: set[str] = set()
        self._by_kind: dict[type, Callable[[Any], None]] = {
            e.OrderRejected: self._rejected, e.OrderBlocked: self._blocked, e.OrderVetoed: self._vetoed,
            e.OrderRevised: self._revised, e.DiscrepancyFound: self._discrepancy, e.BreakerChanged: self._breaker,
            e.OrderArchived: self._archived, e.ExternalTradeSeen: self._external, e.PositionCut: self._cut,
            e.InstanceSuperseded: self._superseded,
        }  # fmt: skip

    def said(self, answer: Iterable[Any]) -> None:
        """An actor's answer."""
        for message in answer:
            kind = type(message)
            if kind in _NAMES:
                self.count[_NAMES[kind]] += 1
            look = self._by_kind.get(kind)
            if look is not None:
                look(message)

    def orders_heard(self, message: Any, answer: Iterable[Any]) -> None:
        """A letter to orders and what it made of it."""
        if isinstance(message, r.PlacementRefused):
            self.count[f"refused: {message.reason}"] += 1
        elif isinstance(message, r.PlacementUnknown):
            self.count["placement unknown"] += 1
        elif isinstance(message, r.OrderLookedUp) and message.id.startswith("#"):
            explained = any(isinstance(each, TradesUnmatched) and each.trades is None for each in answer)
            self.count["parked fill explained"] += explained

    def balances_heard(self, message: Any, answer: Iterable[Any]) -> None:
        """A letter to balances and what it made of it."""
        if isinstance(message, r.MovementsFound):
            self.count["flow explained by a history"] += any(isinstance(each, e.BalanceUpdated) for each in answer)

    def moved(self, old: RealOrder, new: RealOrder) -> None:
        """An order's step."""
        if old.is_terminal() and len(new.fills) > len(old.fills):
            self.count["late fill after the end"] += 1
            self.count["late fill after cancel"] += old.state is OrderState.CANCELLED
        self.count["gap fetched"] += old.missing_quantity > 0 and not new.missing_quantity

    # -- words ------------------------------------------------------------------------------

    def _rejected(self, message: e.OrderRejected) -> None:
        self.count["absence proof"] += message.order.reason == "VENUE_ABSENT"

    def _blocked(self, message: e.OrderBlocked) -> None:
        self.count[f"blocked: {message.reason}"] += 1

    def _vetoed(self, message: e.OrderVetoed) -> None:
        self.count[f"vetoed: {message.reason}"] += 1

    def _revised(self, message: e.OrderRevised) -> None:
        order = message.order
        over = bool(order.original_quantity) and order.executed_quantity > order.original_quantity
        self.count["over-fill" if over else "revision of a terminal state"] += 1

    def _discrepancy(self, message: e.DiscrepancyFound) -> None:
        self.count[f"discrepancy: {message.discrepancy.kind}"] += 1

    def _breaker(self, message: e.BreakerChanged) -> None:
        for cause in message.causes:
            self.count[f"cause: {cause.kind}"] += 1
        if all(cause.kind is not CauseKind.UNCONFIRMED for cause in message.causes):
            self.world.life.recovering = False

    def _superseded(self, message: e.InstanceSuperseded) -> None:
        self.judge.violated("G12 there is one instance", f"run {message.run} of {message.client_id} was taken for another's")

    def _archived(self, message: e.OrderArchived) -> None:
        self.archived.add(message.id)

    def _external(self, message: e.ExternalTradeSeen) -> None:
        pair = self.world.floor.exchange.core.pairs[message.symbol]
        order = pair.orders[message.exchange_order_id]
        foreign = not is_ours(order.placed_id, "rt") or any(each is order for each in self.judge.nameless())
        self.judge.check("G3 external trades are external", foreign, f"trade {message.trade_id} of {order.placed_id}")

    def _cut(self, message: e.PositionCut) -> None:
        world, base = self.world, message.book.base
        self.cuts.add(base)
        rules = world.floor.exchange.rules
        lost = any(rules[order.symbol].base == base for order in self.judge.nameless())
        positions = world.life.house.tables("positions")["positions"].snapshot().values()
        short = any(row.base == base and row.quantity < 0 for row in positions)
        # an old journal sold again what it did not know to be sold, or a sale lived after its absence was proved, or more
        # was sold than was asked for
        lost = lost or (short and bool(world.life.old_journals or world.nemesis.too_late or world.nemesis.people.overfilled))
        eaten = base == "BNB" and world.floor.fees_in_bnb  # other symbols' fees came out of the position
        justified = eaten or lost or base in world.nemesis.people.raided
        self.judge.check("G4 only justified cuts", justified, f"{message.book.key} was cut: {message.detail}")
