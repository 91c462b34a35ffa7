"""A person at the house's own door: submits (sometimes twice, sometimes an old intent again) and cancels."""

import itertools
import random
from decimal import Decimal
from typing import TYPE_CHECKING

from realtrading.domain.breaker import CauseKind
from realtrading.domain.commands import AcceptDifference, CancelOrder, OrderIntent, SubmitOrder
from realtrading.domain.values import ClientId, OrderType, Role, Side

if TYPE_CHECKING:
    from .world import World

OPERATOR = "operator"


class Door:
    """Comes every few seconds."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self._told: list[OrderIntent] = []
        self._counter = itertools.count(1)

    def forget(self) -> None:
        """What was told to a journal that is gone is not told again."""
        self._told.clear()

    def come(self) -> None:
        """For ever."""
        world, slot = self.world, f"door {next(self._counter)}"
        dice = world.script.dice(slot)
        world.loop.call_later(dice.uniform(0.5, 3.0), self.come, context=world.context)
        if world.life.alive:
            self._account_for(number=slot)
        if world.life.alive and world.wanted and world.script.happens(slot, "order") is not None:
            self._act(dice, int(slot.removeprefix("door ")))

    def _account_for(self, number: str) -> None:
        """Where no history tells of deposits, the person who made them accepts the difference they left."""
        house = self.world.life.house
        measured = house.tables("balances")["measured"].get("measured")
        _, causes = house.tables("breaker")["breaker"].get("state", (None, ()))
        for asset in [cause.scope.removeprefix("asset:") for cause in causes if cause.kind is CauseKind.DRIFT]:
            amount = None if measured is None or asset in measured.skipped else measured.residuals.get(asset)
            if amount is not None and amount in self.world.invariants.agreement.unheard_sums(asset):
                told = AcceptDifference(
                    token=f"{number} {asset}", asset=asset, amount=amount, by=OPERATOR, reason="moved while nobody listened"
                )
                house.post(told, sender="engine")
                self.world.reached["difference accepted"] += 1

    def _act(self, dice: random.Random, number: int) -> None:
        world, house = self.world, self.world.life.house
        symbol = dice.choice(world.floor.symbols)
        order_id = ClientId(prefix="rt", run=world.life.parts.run, strategy=OPERATOR, role=Role.ENTRY, counter=number)
        price = None if dice.random() < 0.4 else world.floor.price(symbol, Decimal(dice.choice(("0.99", "1", "1.0002"))))
        intent = OrderIntent(
            id=str(order_id), strategy=OPERATOR, symbol=symbol, side=dice.choice((Side.BUY, Side.BUY, Side.SELL)),
            order_type=OrderType.MARKET if price is None else OrderType.LIMIT, role=Role.ENTRY,
            quantity=world.floor.lot(symbol, dice.choice((60, 300))), price=price, rests=dice.random() < 0.5,
        )  # fmt: skip
        if self._told and dice.random() < 0.25:
            house.post(SubmitOrder(intent=dice.choice(self._told)), sender="engine")
            world.reached["old intent told again"] += 1
        self._told.append(intent)
        twice = dice.random() < 0.2
        for _ in range(1 + twice):
            house.post(SubmitOrder(intent=intent), sender="engine")
        world.reached["intent told twice"] += twice
        if dice.random() < 0.3:
            delay = dice.choice((0.0, 0.003, 0.05, 1.0))
            world.loop.call_later(delay, self._cancel, intent.id, world.life.count, context=world.context)

    def _cancel(self, order_id: str, life: int) -> None:
        if self.world.life.alive and life == self.world.life.count:
            self.world.life.house.post(CancelOrder(id=order_id, by="user"), sender="engine")
