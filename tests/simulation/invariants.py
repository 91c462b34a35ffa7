"""The judge of one world: what must hold in every run. What it looks at lies in the files beside this one."""

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from realtrading.domain import events as e
from realtrading.domain.orders import TRANSITIONS, RealOrder
from realtrading.domain.values import ClientId, is_ours

from .agreement import Agreement
from .at_the_wire import AtTheWire
from .memory import Memory
from .reached import Reached

if TYPE_CHECKING:
    from .world import World


class Violation(AssertionError):
    """An invariant does not hold. `name` says which."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name


class Invariants:
    """Counts every evaluation; the first violation ends the story."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.evaluated: Counter[str] = Counter()
        self.wire, self.memory = AtTheWire(self), Memory(self)
        self.reached, self.agreement = Reached(self), Agreement(self)
        self._losses: dict[tuple[int, str], int] = {}

    def violated(self, name: str, detail: str) -> None:
        """End the story."""
        self.world.fail(Violation(name, detail))

    def check(self, name: str, holds: bool, detail: str = "") -> None:
        """Count one evaluation."""
        self.evaluated[name] += 1
        if not holds:
            self.violated(name, detail)

    def nameless(self) -> list[Any]:
        """Orders of ours that no memory names: the journal that knew them is gone, and a cancel took their client id."""
        if not self.world.life.old_journals:
            return []
        orders = self.world.floor.orders()
        return [order for order in orders if is_ours(order.placed_id, "rt") and not is_ours(order.client_id, "rt")]

    # -- a life begins ------------------------------------------------------------------------

    def run_began(self, run: int, before: list[int]) -> None:
        """G12: a run's number is above every earlier one, whatever the clock says; after an old journal, of those that
        have placed anything."""
        if self.world.life.old_journals:
            placed = [ClientId.parse(order.placed_id) for order in self.world.floor.orders()]
            before = [parts.run for parts in placed if parts is not None]
        self.check("G12 runs rise", run > max(before, default=0), f"run {run} after {before}")

    def born(self) -> None:
        """A new life has been recovered."""
        self.memory.born()

    def restarting(self, name: str) -> None:
        """A successor is asked for: the breaker must have been told of the loss before."""
        box = self.world.life.house.mailbox("breaker")
        told = [each.message for each in (*box.front, *box.letters, *box.recent) if isinstance(each.message, e.KeeperLost)]
        newest = max((lost.token for lost in told if lost.name == name), default=-1)
        known = self._losses.get((self.world.life.count, name), -1)
        self._losses[self.world.life.count, name] = newest
        self.check("G10 closed restart", newest > known, f"{name} was restarted behind an open gate")

    # -- after every handler ------------------------------------------------------------------

    def handled(self, actor: Any, letters: Any, answer: Any, now: Any) -> None:
        """One handler has answered; nothing is committed yet."""
        self.world.trace.append((self.world.loop.time(), actor.name, letters, answer))
        self.reached.said(answer)
        if actor.name == "orders":
            self._monotone(actor, answer)
            for letter in letters:
                self.reached.orders_heard(letter.message, answer)
        elif actor.name == "balances":
            for letter in letters:
                self.reached.balances_heard(letter.message, answer)
        elif actor.name == "journal":
            self.memory.journal_answered(letters, answer)
        mailbox = actor._incarnation.mailbox
        if mailbox.spec.drop_oldest:
            for letter in letters:
                self.world.reached["overflow"] += type(letter.message).__name__ == "Missed"
            return
        self.check("G18 mailbox caps", mailbox.waiting() <= mailbox.spec.soft_cap, f"{mailbox.name}: {mailbox.waiting()}")

    def _monotone(self, actor: Any, answer: Any) -> None:
        """G6, for what orders says."""
        over: dict[str, RealOrder] = {}
        for event in answer:
            if not isinstance(event, e.OrderEvent):
                continue
            new: RealOrder = event.order
            old = over.get(new.id) or actor.tables["orders"].get(new.id)
            over[new.id] = new
            if isinstance(event, e.OrderAdmitted):
                self.check("G6", old is None, f"{new.id} admitted twice")
            elif old is not None:
                self._step(event, old, new)

    def _step(self, event: Any, old: RealOrder, new: RealOrder) -> None:
        revised = isinstance(event, e.OrderRevised)
        moved = new.state is old.state or new.state in TRANSITIONS[old.state]
        self.check("G6", moved or revised, f"{new.id}: {old.state} -> {new.state} by {type(event).__name__}")
        grew = new.executed_quantity >= old.executed_quantity and len(new.fills) >= len(old.fills)
        self.check("G6", grew, f"{new.id} executed {old.executed_quantity} -> {new.executed_quantity}")
        most = max(new.original_quantity, old.executed_quantity)
        self.check("G6", not most or new.executed_quantity <= most or revised, f"{new.id} executed {new.executed_quantity}")
        self.reached.moved(old, new)

    # -- at the end ---------------------------------------------------------------------------

    def converged(self, wrong: list[str], seconds: float) -> None:
        """The faults are over, and so should be every disagreement."""
        self.check("G3/G4/G13 convergence", not wrong, f"after {seconds:.1f} s: " + "; ".join(wrong[:6]))
        if not wrong:
            self.memory.compare_whole(skip=("breaker", "gate"))
            self.memory.replay_prefixes(self.world.script.dice("prefixes"))
            self._finite()

    def _finite(self) -> None:
        """G16: every amount the house keeps is a finite Decimal."""
        for line in self.world.life.house.tables("balances")["ledger"].snapshot().values():
            self._amounts(line, line.opening, line.settled, *line.orders.values(), *line.flows.values(), line.fees)
        for order in self.world.life.house.tables("orders")["orders"].snapshot().values():
            self._amounts(order, order.executed_quantity, order.cumulative_quote, order.original_quantity)

    def _amounts(self, of: object, *amounts: object) -> None:
        self.check("G16", all(type(each) is Decimal and each.is_finite() for each in amounts), f"{of}")
