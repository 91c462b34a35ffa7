"""What must hold in every run, judged from the exchange's ledger of truth, and which rare branches were reached."""

import decimal
from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from realtrading.domain import events as e
from realtrading.domain import reports as r
from realtrading.domain.breaker import ACCOUNT, CauseKind, in_scope
from realtrading.domain.commands import PlaceOrder, RecordOrder
from realtrading.domain.orders import STATE_OF_STATUS, TRANSITIONS, OrderState, RealOrder
from realtrading.domain.values import EXACT, ZERO, ClientId, Side, is_ours
from realtrading.runtime.actor import CURRENT_LETTER

from .wires import UID

if TYPE_CHECKING:
    from .world import World

OWNERS = {
    "orders": "orders", "cursors": "orders", "positions": "positions", "ledger": "balances", "day": "risk",
    "breaker": "breaker", "gate": "breaker",
}  # fmt: skip
"""Table of the journal -> the keeper that owns it."""

SLACK = Decimal("1.02")
"""A mark may move a little after an order was judged by it."""

WHOLE_EVERY = 120
"""Commits of the journal between two comparisons of whole tables with what is on disk."""


class Violation(AssertionError):
    """An invariant does not hold. `name` says which."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name


class Invariants:
    """The judge of one world."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.evaluated: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.archived: set[str] = set()
        self.cuts: set[str] = set()
        self.shadow: dict[tuple[str, str], Any] = {}
        self.commits = 0
        self.losses: dict[tuple[int, str], int] = {}

    def violated(self, name: str, detail: str) -> None:
        """End the story."""
        self.world.fail(Violation(name, detail))

    def check(self, name: str, holds: bool, detail: str = "") -> None:
        """Count one evaluation."""
        self.evaluated[name] += 1
        if not holds:
            self.violated(name, detail)

    # -- at the wire -----------------------------------------------------------------------

    def signed(self, params: Any, stamped: datetime) -> None:
        """A placement is about to leave: G1, G2, G10, and exactly what was recorded."""
        order_id, world = params["newClientOrderId"], self.world
        self.requests[order_id] += 1
        sent = self.requests[order_id]
        self.check("G1 one request per id", sent == 1, f"{order_id} was sent {sent} times")
        store = world.store
        found = [] if store is None else list(store.events(types=["IntentRecorded"], order_id=order_id))
        self.check("G2 recorded before signed", bool(found), f"{order_id} was signed and is not on disk")
        if found:
            kept = found[-1].event.order
            same = kept.price is None or Decimal(params.get("price", "0")) == kept.price
            same = same and Decimal(params.get("quantity", "0")) in (kept.original_quantity, ZERO)
            self.check("G2 what is recorded is sent", same, f"{order_id}: {params} is not {kept}")
        letter = CURRENT_LETTER.get()
        message = None if letter is None else letter.message
        if not isinstance(message, PlaceOrder):
            self.violated("G10", f"{order_id} was signed without PlaceOrder")
            return
        gate = world.parts.gate()
        self.check("G10 gate", message.gate in (None, gate), f"{order_id} passed at gate {message.gate}, signed at {gate}")
        fresh = world.loop.time() <= message.valid_until_mono
        self.check("G10 age", fresh, f"{order_id} was signed too late")
        if message.gate is not None:
            state, causes = world.house.tables("breaker")["breaker"].get("state", (None, ()))
            shut = [
                cause.kind for cause in causes
                if in_scope(cause.scope, message.order) and not (cause.kind is CauseKind.ERRORS and state.half_open)
            ]  # fmt: skip
            self.check("G10 nothing new while a cause is open", not shut, f"{order_id} was signed in spite of {shut}")
            self.check("G10 confirmed first", not world.recovering, f"{order_id} was signed before the first clean round")
        else:
            reduces = message.order.side is Side.SELL or self.managed(message.order) < 0
            self.check("G10 only exits pass shut gates", reduces, f"{order_id} adds exposure and had no gate")

    def restarted(self, name: str) -> None:
        """A successor serves: the breaker must have been told of the loss before."""
        box = self.world.house.mailbox("breaker")
        told = [each.message for each in (*box.front, *box.letters, *box.recent) if isinstance(each.message, e.KeeperLost)]
        newest = max((lost.token for lost in told if lost.name == name), default=-1)
        known = self.losses.get((self.world.lives, name), -1)
        self.losses[self.world.lives, name] = newest
        self.check("G10 closed restart", newest > known, f"{name} was restarted behind an open gate")

    def managed(self, order: RealOrder) -> Decimal:
        """What positions says of the order's key."""
        book = self.world.house.tables("positions")["positions"].get(f"{order.strategy}/{order.symbol}")
        return ZERO if book is None else book.quantity

    # -- after every exchange operation -------------------------------------------------------

    def exposure(self) -> None:
        """G5: positions, open buys and buys on their way, on the exchange's own ledger."""
        world = self.world
        total = ZERO
        if world.nemesis.too_late:
            return  # an order whose absence was proved may still come to life then
        with decimal.localcontext(EXACT):
            for symbol, pair in world.exchange.core.pairs.items():
                if pair.rules.base in world.nemesis.raided or any(order.symbol == symbol for order in self.nameless()):
                    continue
                value = self._exposure(symbol, pair)
                total += value
                limit = world.limits.max_position_size_usdt * SLACK
                self.check("G5 position", value <= limit, f"{symbol}: {value} above {limit}")
            limit = world.limits.max_total_exposure_usdt * SLACK
            self.check("G5 total", total <= limit, f"{total} above {limit}")

    def _exposure(self, symbol: str, pair: Any) -> Decimal:
        best = pair.book.buys.best()
        price = best[0] if best is not None else ZERO
        held: dict[str, Decimal] = {}
        value = ZERO
        for order in pair.by_account.get(UID, ()):
            parts = ClientId.parse(order.placed_id)
            if parts is None:
                continue
            for fill in order.fills:
                delta = fill.qty if fill.is_buyer else -fill.qty
                if fill.fee_asset == pair.rules.base:
                    delta -= fill.fee
                held[parts.strategy] = held.get(parts.strategy, ZERO) + delta
            if order.is_live and order.is_buy:
                value += order.remaining * order.price
        for params in self.world.net.pending.values():
            if params["symbol"] == symbol and params["side"] == "BUY" and is_ours(params["newClientOrderId"], "rt"):
                asked = Decimal(params.get("quantity", "0")) * (Decimal(params["price"]) if "price" in params else price)
                value += Decimal(params["quoteOrderQty"]) if "quoteOrderQty" in params else asked
        return value + sum((abs(quantity) * price for quantity in held.values()), ZERO)

    # -- after every handler ------------------------------------------------------------------

    def born(self) -> None:
        """A new life has been recovered: its tables are the journal's."""
        self.shadow.clear()
        self.commits = 0
        if self.world.lives > 1:
            self.compare_whole(skip=("breaker", "gate"))

    def handled(self, actor: Any, letters: Any, answer: Any, now: Any) -> None:
        """One handler has answered; nothing is committed yet."""
        self.world.trace.append((self.world.loop.time(), actor.name, letters, answer))
        for message in answer:
            self._count(message)
        if actor.name == "orders":
            self._monotone(actor, answer)
            for letter in letters:
                self._count_report(letter.message)
        elif actor.name == "journal":
            self._journal(letters, answer)
        mailbox = actor._incarnation.mailbox
        if mailbox.spec.drop_oldest:
            for letter in letters:
                self.world.branches["overflow"] += type(letter.message).__name__ == "Missed"
            return
        self.check("mailbox caps", mailbox.waiting() <= mailbox.spec.soft_cap, f"{mailbox.name}: {mailbox.waiting()} letters")

    def _monotone(self, actor: Any, answer: Any) -> None:
        """G6, and G16 for what orders say."""
        over: dict[str, RealOrder] = {}
        for event in answer:
            if not isinstance(event, e.OrderEvent):
                continue
            new: RealOrder = event.order
            old = over.get(new.id) or actor.tables["orders"].get(new.id)
            over[new.id] = new
            if isinstance(event, e.OrderAdmitted):
                self.check("G6", old is None, f"{new.id} admitted twice")
                continue
            if old is None:
                continue
            moved = new.state is old.state or new.state in TRANSITIONS[old.state]
            revised = isinstance(event, e.OrderRevised)
            self.check("G6", moved or revised, f"{new.id}: {old.state} -> {new.state} by {type(event).__name__}")
            grew = new.executed_quantity >= old.executed_quantity and len(new.fills) >= len(old.fills)
            self.check("G6", grew, f"{new.id} executed {old.executed_quantity} -> {new.executed_quantity}")
            over_filled = new.original_quantity and new.executed_quantity > new.original_quantity
            self.check("G6", not over_filled or revised, f"{new.id} executed {new.executed_quantity}")
            if old.is_terminal() and len(new.fills) > len(old.fills):
                self.world.branches["late fill after the end"] += 1
                if old.state is OrderState.CANCELLED:
                    self.world.branches["late fill after cancel"] += 1

    def _count(self, message: Any) -> None:
        branches = self.world.branches
        kind = type(message)
        if kind in _COUNTED:
            branches[_COUNTED[kind]] += 1
        if kind is e.OrderRejected and message.order.reason == "VENUE_ABSENT":
            branches["absence proof"] += 1
        elif kind is e.OrderBlocked:
            branches[f"blocked: {message.reason}"] += 1
        elif kind is e.OrderVetoed:
            branches[f"vetoed: {message.reason}"] += 1
        elif kind is e.DiscrepancyFound:
            branches[f"discrepancy: {message.discrepancy.kind}"] += 1
        elif kind is e.BreakerChanged:
            for cause in message.causes:
                branches[f"cause: {cause.kind}"] += 1
            if all(cause.kind is not CauseKind.UNCONFIRMED for cause in message.causes):
                self.world.recovering = False
        elif kind is e.OrderArchived:
            self.archived.add(message.id)
        elif kind is e.ExternalTradeSeen:
            order = self.world.exchange.core.pairs[message.symbol].orders[message.exchange_order_id]
            foreign = not is_ours(order.placed_id, "rt") or order.order_id in [each.order_id for each in self.nameless()]
            self.check("G3 external trades are external", foreign, f"trade {message.trade_id} of {order.placed_id}")
        elif kind is e.PositionCut:
            self.cuts.add(message.book.base)
            lost = any(self.world.exchange.rules[order.symbol].base == message.book.base for order in self.nameless())
            short = any(
                row.base == message.book.base and row.quantity < 0
                for row in self.world.house.tables("positions")["positions"].snapshot().values()
            )  # an old journal sold again what it did not know to be sold, or a sale lived after its absence was proved
            lost = lost or (short and bool(self.world.old_journals or self.world.nemesis.too_late))
            eaten = message.book.base == "BNB" and self.world.fees_in_bnb  # other symbols' fees came out of the position
            justified = eaten or lost or message.book.base in self.world.nemesis.raided
            self.check("G4 only justified cuts", justified, f"{message.book.key} was cut: {message.detail}")

    def _count_report(self, message: Any) -> None:
        if isinstance(message, r.PlacementRefused):
            self.world.branches[f"refused: {message.reason}"] += 1
        elif isinstance(message, r.PlacementUnknown):
            self.world.branches["placement unknown"] += 1

    def nameless(self) -> list[Any]:
        """Orders of ours that no memory names: the journal that knew them is gone, and a cancel took their client id."""
        if not self.world.old_journals:
            return []
        orders = self.world.exchange_orders()
        return [order for order in orders if is_ours(order.placed_id, "rt") and not is_ours(order.client_id, "rt")]

    # -- G7 -----------------------------------------------------------------------------------

    def _journal(self, letters: Any, answer: Any) -> None:
        placed = {message.order.id for message in answer if isinstance(message, PlaceOrder)}
        for letter in letters:
            message = letter.message
            if isinstance(message, RecordOrder):
                if message.order.id in placed:
                    self.shadow["orders", message.order.id] = message.order
            elif isinstance(message, e.Event) and message.durable:
                for table, key, value in message.entries():
                    self.shadow[table, key] = value
        self.commits += 1
        if self.world.house.mailbox("journal").waiting() != len(letters):
            return
        for (table, key), value in self.shadow.items():
            own = self._own_row(table, key)
            if own is not _NOT_COMPARED:
                self.check("G7 row by row", own == value, f"{table} {key}: memory {own}, journal {value}")
        self.shadow.clear()
        if self.commits % WHOLE_EVERY == 0:
            self.compare_whole(skip=("breaker", "gate"))

    def _own_row(self, table: str, key: str) -> Any:
        if table not in OWNERS:
            return _NOT_COMPARED
        tables = self.world.house.mailbox(OWNERS[table]).tables
        row = tables[table].get(key)
        if table == "orders" and row is not None and row.state is OrderState.PENDING:
            watch = tables["watches"].get(key)
            if watch is not None and not watch.recorded:
                return _NOT_COMPARED  # on its way to the disk, or its record on its way back
        return row

    def compare_whole(self, skip: tuple[str, ...] = ()) -> None:
        """Each keeper's durable tables are what the disk gives back."""
        store = self.world.store
        if store is None:
            return
        for table in OWNERS:
            if table in skip:
                continue
            kept = store.rows(table)
            own = {key: self._own_row(table, key) for key in {*self.world.house.mailbox(OWNERS[table]).tables[table], *kept}}
            for key, row in own.items():
                if row is not _NOT_COMPARED:
                    self.check("G7 whole", row == kept.get(key), f"{table} {key}: memory {row}, disk {kept.get(key)}")

    # -- at quiescence ------------------------------------------------------------------------

    def differences(self) -> list[str]:
        """Where house and exchange do not agree yet."""
        world = self.world
        if not world.alive:
            return ["the house is down"]
        wrong: list[str] = []
        if not world.house._is_settled():
            wrong.append("letters are under way")
        with decimal.localcontext(EXACT):
            wrong += self._orders()
            drifts = self._balances(wrong)
            wrong += self._positions()
        wrong += self._causes(drifts)
        return wrong

    def _orders(self) -> list[str]:
        wrong = []
        own = self.world.house.tables("orders")["orders"].snapshot()
        by_exchange_id = {(order.symbol, order.exchange_order_id): order for order in own.values()}
        nameless = self.nameless()
        seen: Counter[str] = Counter()
        for order in self.world.exchange_orders():
            if not is_ours(order.placed_id, "rt"):
                continue
            seen[order.placed_id] += 1
            known = by_exchange_id.get((order.symbol, order.order_id))
            if known is not None:
                seen[known.id] += known.id != order.placed_id  # adopted under the id that its cancel left
            if known is None and any(each is order for each in nameless):
                continue
            if known is None:
                forgotten = self.world.old_journals and not order.is_live and not order.fills
                if not {order.placed_id, order.client_id} & self.archived and not forgotten:
                    wrong.append(f"{order.placed_id} is at the exchange ({order.status}), not in the house")
                continue
            if known.state is not STATE_OF_STATUS[order.status]:
                wrong.append(f"{known.id}: house {known.state}, exchange {order.status}")
            ours = {(f.trade_id, f.price, f.quantity, f.quote_quantity, f.commission) for f in known.fills}
            theirs = {(f.trade_id, f.price, f.qty, f.quote, f.fee) for f in order.fills}
            if ours != theirs or len(known.fills) != len(order.fills):
                wrong.append(f"{known.id}: fills {sorted(ours)} and {sorted(theirs)}")
        for name, count in seen.items():
            self.check("G1 one order per id", count == 1, f"{name} lives {count} times")
        for name, known in own.items():
            if name not in seen and known.state is not OrderState.REJECTED:
                wrong.append(f"{name} is {known.state} in the house, not at the exchange")
        return wrong

    def _balances(self, wrong: list[str]) -> set[str]:
        world, drifts = self.world, set()
        lines = world.house.tables("balances")["ledger"].snapshot()
        account = world.exchange.core.ledger.accounts[UID].balances
        for asset in sorted({*lines, *account}):
            held = account.get(asset)
            truth = ZERO if held is None else held.free + held.locked
            line = lines.get(asset)
            ours = ZERO if line is None else line.total
            if truth == ours:
                continue
            seen = () if line is None else line.seen
            unheard = [amount for at, amount in world.flows.get(asset, ()) if _identity(at, amount) not in seen]
            if truth - ours in [sum(unheard[start:], ZERO) for start in range(len(unheard))]:
                drifts.add(asset)
            else:
                wrong.append(f"{asset}: house {ours}, exchange {truth} (flows unheard: {unheard})")
        return drifts

    def _positions(self) -> list[str]:
        wrong = []
        sums: dict[tuple[str, str], Decimal] = {}
        nameless = {self.world.exchange.rules[order.symbol].base for order in self.nameless()}
        for order in self.world.exchange_orders():
            parts = ClientId.parse(order.placed_id)
            if parts is None:
                continue
            base = self.world.exchange.rules[order.symbol].base
            for fill in order.fills:
                key = (parts.strategy, order.symbol)
                delta = (fill.qty if fill.is_buyer else -fill.qty) - (fill.fee if fill.fee_asset == base else ZERO)
                sums[key] = sums.get(key, ZERO) + delta
        books = self.world.house.tables("positions")["positions"].snapshot()
        managed: dict[str, Decimal] = {}
        for book in books.values():
            managed[book.base] = managed.get(book.base, ZERO) + max(book.quantity, ZERO)
            truth = sums.pop((book.strategy, book.symbol), ZERO)
            if book.base in nameless:
                continue
            if book.base in self.cuts:
                if book.quantity > truth:
                    wrong.append(f"{book.key}: {book.quantity} of {truth}, though it was cut")
            elif book.quantity != truth:
                wrong.append(f"{book.key}: house {book.quantity}, exchange {truth}")
        bases = {symbol: rules.base for symbol, rules in self.world.exchange.rules.items()}
        wrong += [
            f"{key} has no book, exchange {truth}" for key, truth in sums.items() if truth and bases[key[1]] not in nameless
        ]
        for base, quantity in managed.items():
            held = self.world.exchange.core.ledger.accounts[UID].balance(base)
            if quantity > held.free + held.locked and base in self.world.nemesis.raided:
                wrong.append(f"{quantity} {base} are managed, the wallet has {held.free + held.locked}")
        return wrong

    def _causes(self, drifts: set[str]) -> list[str]:
        _, causes = self.world.house.tables("breaker")["breaker"].get("state", (None, ()))
        wrong = []
        told = {cause.scope for cause in causes if cause.kind is CauseKind.DRIFT}
        wrong += [f"DRIFT of {asset} is not told" for asset in drifts if f"asset:{asset}" not in told]
        false = {scope for scope in told if scope.removeprefix("asset:") not in drifts}
        wrong += [f"DRIFT of {scope} is told, and there is none" for scope in sorted(false)]
        for cause in causes:
            lasting = cause.kind in (CauseKind.DRIFT, CauseKind.LOSS, CauseKind.ERRORS) or (
                drifts and cause.kind is not CauseKind.CLOCK
            )
            if not lasting and cause.scope == ACCOUNT:
                wrong.append(f"the breaker is open: {cause.kind} {cause.token} {cause.detail}")
        return wrong

    def converged(self, wrong: list[str], seconds: float) -> None:
        """The end of a phase."""
        self.check("G3/G4/G13 convergence", not wrong, f"after {seconds:.1f} s: " + "; ".join(wrong[:6]))
        if not wrong:
            self.compare_whole(skip=("breaker", "gate"))
            self._finite()

    def _finite(self) -> None:
        """G16: every amount the house keeps is a finite Decimal."""
        for line in self.world.house.tables("balances")["ledger"].snapshot().values():
            amounts = (line.opening, line.settled, *line.orders.values(), *line.flows.values(), line.fees)
            self.check("G16", all(type(each) is Decimal and each.is_finite() for each in amounts), f"{line}")
        for order in self.world.house.tables("orders")["orders"].snapshot().values():
            amounts = (order.executed_quantity, order.cumulative_quote, order.original_quantity)
            self.check("G16", all(type(each) is Decimal and each.is_finite() for each in amounts), f"{order}")


_NOT_COMPARED = object()

_COUNTED: dict[type, str] = {
    e.OrderSubmitted: "orders",
    e.OrderFilled: "filled",
    e.OrderPartiallyFilled: "partly filled",
    e.OrderCancelled: "cancelled",
    e.OrderExpired: "expired",
    e.OrderRejected: "rejected",
    e.OrderUnknown: "unknown",
    e.OrderRevised: "revision of a terminal state",
    e.OrderAdopted: "adoption",
    e.ExternalTradeSeen: "external trade",
    e.PositionCut: "position cut",
    e.OrderArchived: "archived",
    e.OrderDenied: "denied",
    e.ReconciliationFailed: "round void",
    e.LimitBreached: "loss limit",
}


def _identity(at: datetime, amount: Decimal) -> str:
    return f"flow:{at.isoformat()}:{amount}"
