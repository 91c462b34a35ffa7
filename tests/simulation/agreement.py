"""At quiescence: where house and exchange do not agree, judged from the exchange's ledger of truth."""

import decimal
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from realtrading.domain.breaker import ACCOUNT, CauseKind
from realtrading.domain.movements import flow_key
from realtrading.domain.orders import STATE_OF_STATUS, OrderState
from realtrading.domain.values import EXACT, ZERO, ClientId, is_ours

from .exchanges import UID

if TYPE_CHECKING:
    from .invariants import Invariants


class Agreement:
    """Orders, fills, balances, positions, and why the breaker is open."""

    def __init__(self, judge: "Invariants") -> None:
        self.judge, self.world, self.check = judge, judge.world, judge.check

    def differences(self) -> list[str]:
        """Where house and exchange do not agree yet."""
        world = self.world
        if not world.life.alive:
            return ["the house is down"]
        wrong: list[str] = []
        if not world.life.house._is_settled():
            wrong.append("letters are under way")
        with decimal.localcontext(EXACT):
            wrong += self._orders()
            wrong += self._balances()
            wrong += self._positions()
        wrong += self._causes()
        return wrong

    def _orders(self) -> list[str]:
        wrong = []
        own = self.world.life.house.tables("orders")["orders"].snapshot()
        by_exchange_id = {(order.symbol, order.exchange_order_id): order for order in own.values()}
        nameless = self.judge.nameless()
        seen: Counter[str] = Counter()
        for order in self.world.floor.orders():
            if not is_ours(order.placed_id, "rt"):
                continue
            seen[order.placed_id] += 1
            known = by_exchange_id.get((order.symbol, order.order_id))
            if known is not None:
                seen[known.id] += known.id != order.placed_id  # adopted under the id that its cancel left
            if known is None and any(each is order for each in nameless):
                continue
            if known is None:
                forgotten = self.world.life.old_journals and not order.is_live and not order.fills
                if not {order.placed_id, order.client_id} & self.judge.reached.archived and not forgotten:
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

    def _balances(self) -> list[str]:
        wrong = []
        lines = self.world.life.house.tables("balances")["ledger"].snapshot()
        account = self.world.floor.exchange.core.ledger.accounts[UID].balances
        for asset in sorted({*lines, *account}):
            held = account.get(asset)
            truth = ZERO if held is None else held.free + held.locked
            ours = ZERO if asset not in lines else lines[asset].total
            if truth != ours:
                wrong.append(f"{asset}: house {ours}, exchange {truth}")
        return wrong

    def unheard_sums(self, asset: str) -> set[Decimal]:
        """What some of the flows add up to that the ledger has not heard of (old ones are in its opening), less some of
        the first it heard: told in the very moment in which it was opened, they are in both."""
        line = self.world.life.house.tables("balances")["ledger"].get(asset)
        seen = () if line is None else line.seen
        flows = [(amount, flow_key(at, amount) in seen) for at, amount in self.world.flows.get(asset, ())]
        unheard, heard = [amount for amount, told in flows if not told], [-amount for amount, told in flows if told]
        sums = {ZERO}
        for amount in (*unheard[-16:], *heard[: max(0, 14 - len(unheard))]):
            sums |= {each + amount for each in sums}
        return sums

    def _positions(self) -> list[str]:
        wrong = []
        sums: dict[tuple[str, str], Decimal] = {}
        nameless = {self.world.floor.exchange.rules[order.symbol].base for order in self.judge.nameless()}
        for order in self.world.floor.orders():
            parts = ClientId.parse(order.placed_id)
            if parts is None:
                continue
            base = self.world.floor.exchange.rules[order.symbol].base
            for fill in order.fills:
                key = (parts.strategy, order.symbol)
                delta = (fill.qty if fill.is_buyer else -fill.qty) - (fill.fee if fill.fee_asset == base else ZERO)
                sums[key] = sums.get(key, ZERO) + delta
        books = self.world.life.house.tables("positions")["positions"].snapshot()
        managed: dict[str, Decimal] = {}
        for book in books.values():
            managed[book.base] = managed.get(book.base, ZERO) + max(book.quantity, ZERO)
            truth = sums.pop((book.strategy, book.symbol), ZERO)
            if book.base in nameless:
                continue
            if book.base in self.judge.reached.cuts:
                if book.quantity > truth:
                    wrong.append(f"{book.key}: {book.quantity} of {truth}, though it was cut")
            elif book.quantity != truth:
                wrong.append(f"{book.key}: house {book.quantity}, exchange {truth}")
        bases = {symbol: rules.base for symbol, rules in self.world.floor.exchange.rules.items()}
        wrong += [
            f"{key} has no book, exchange {truth}" for key, truth in sums.items() if truth and bases[key[1]] not in nameless
        ]
        for base, quantity in managed.items():
            held = self.world.floor.exchange.core.ledger.accounts[UID].balance(base)
            if quantity > held.free + held.locked and base in self.world.nemesis.people.raided:
                wrong.append(f"{quantity} {base} are managed, the wallet has {held.free + held.locked}")
        return wrong

    def _causes(self) -> list[str]:
        _, causes = self.world.life.house.tables("breaker")["breaker"].get("state", (None, ()))
        wrong = []
        for cause in causes:
            lasting = cause.kind in (CauseKind.LOSS, CauseKind.ERRORS)
            if cause.kind is CauseKind.DRIFT or (not lasting and cause.scope == ACCOUNT):
                wrong.append(f"the breaker is open: {cause.kind} {cause.scope} {cause.token} {cause.detail}")
        return wrong
