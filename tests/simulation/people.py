"""People (and others) on the same account: they trade, cancel, deposit and withdraw by hand, and sell what is not theirs."""

import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from realtrading.domain.values import is_ours, plain
from realtrading.sim.errors import BinanceError

from .exchanges import UID

if TYPE_CHECKING:
    from .nemesis import Nemesis


class People:
    """One method per deed: it says whether it was done."""

    def __init__(self, nemesis: "Nemesis") -> None:
        self.world = nemesis.world
        self.raided: set[str] = set()
        self.overfilled: set[str] = set()
        self.held: dict[str, Decimal] = {}

    def _place(self, **params: str) -> bool:
        given = {name: plain(Decimal(value)) if name in ("quantity", "price") else value for name, value in params.items()}
        try:
            self.world.net.exchange.place(UID, given, self.world.loop.true_ms())
        except BinanceError:
            return False
        finally:
            self.world.net.spread()
        return True

    def _orders(self) -> list[Any]:
        return [order for order in self.world.floor.orders() if order.is_live]

    def foreign_trade(self, dice: random.Random) -> bool:
        """Somebody buys, or sells what they bought."""
        floor = self.world.floor
        side, symbol = dice.choice(("BUY", "SELL")), dice.choice(floor.symbols)
        if side == "SELL" and self.held.get(symbol, Decimal(0)) < floor.lot(symbol, 12):
            side = "BUY"
        quantity = floor.lot(symbol, 12)
        done = self._place(symbol=symbol, side=side, type="MARKET", quantity=str(quantity))
        if done:
            change = quantity * Decimal("0.998") if side == "BUY" else -quantity
            self.held[symbol] = self.held.get(symbol, Decimal(0)) + change
        return done

    def foreign_order(self, dice: random.Random) -> bool:
        """Somebody's limit order rests and may fill at any time."""
        floor, symbol = self.world.floor, dice.choice(self.world.floor.symbols)
        price = floor.price(symbol, Decimal(dice.choice(("0.97", "0.9999", "0.999"))))
        return self._place(
            symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", price=str(price), quantity=str(floor.lot(symbol, 15)),
        )  # fmt: skip

    def hand_cancel(self, dice: random.Random) -> bool:
        """Somebody cancels a live order, ours or not; its client id is the cancel's from then on."""
        found = self._orders()
        if not found:
            return False
        order = dice.choice(found)
        params = {"symbol": order.symbol, "orderId": str(order.order_id)}
        self.world.net.exchange.cancel(UID, params, self.world.loop.true_ms())
        self.world.net.spread()
        return True

    def deposit(self, dice: random.Random) -> bool:
        """Money comes in."""
        asset = dice.choice(("USDT", "BTC", "BNB"))
        amount = Decimal(dice.randint(1, 999_999)).scaleb(-4 if asset == "USDT" else -7)
        self._blind()
        self.world.net.exchange.deposit(UID, asset, amount, self.world.loop.true_ms())
        self.world.net.spread()
        return True

    def withdraw(self, dice: random.Random) -> bool:
        """Money goes out."""
        free = self._free("USDT")
        amount = min(free, Decimal(dice.randint(1, 999_999)).scaleb(-4))
        if not amount:
            return False
        self._blind()
        self.world.net.exchange.withdraw(UID, "USDT", amount, self.world.loop.true_ms())
        self.world.net.spread()
        return True

    def transfer(self, dice: random.Random) -> bool:
        """Money goes between the wallets of one person."""
        kind, amount = dice.choice(("MAIN_FUNDING", "FUNDING_MAIN")), Decimal(dice.randint(1, 999_999)).scaleb(-4)
        if self._free("USDT") < amount:
            return False
        self._blind()
        self.world.net.exchange.wallet.transfer(UID, kind, "USDT", amount, self.world.loop.true_ms())
        self.world.net.spread()
        return True

    def dust(self, dice: random.Random) -> bool:
        """A little becomes BNB; no stream tells it."""
        amount = Decimal(dice.randint(1, 9_999)).scaleb(-4)
        if not self.world.floor.has_wallet or self._free("USDT") < amount:
            return False
        gained, now_ms = amount.scaleb(-3), self.world.loop.true_ms()
        self.world.net.exchange.wallet.dust(UID, "USDT", amount, gained, gained / 50, now_ms)
        self.world.net.spread()
        return True

    def convert(self, dice: random.Random) -> bool:
        """Money becomes coins at a quoted price; no stream tells it."""
        amount, asset = Decimal(dice.randint(1, 999_999)).scaleb(-4), dice.choice(("BTC", "BNB"))
        if not self.world.floor.has_wallet or self._free("USDT") < amount:
            return False
        now_ms = self.world.loop.true_ms()
        self.world.net.exchange.wallet.convert(UID, ("USDT", amount), (asset, amount.scaleb(-4)), now_ms)
        self.world.net.spread()
        return True

    def _free(self, asset: str) -> Decimal:
        return self.world.net.exchange.core.ledger.accounts[UID].free(asset)

    def _blind(self) -> None:
        deaf = not any(stream.subscribed and stream.ended is None for stream in self.world.net.streams)
        self.world.reached["flow while blind"] += int(deaf)

    def raid(self, dice: random.Random) -> bool:
        """Somebody sells coins that the house manages."""
        symbol = dice.choice(self.world.floor.symbols)
        base = self.world.net.exchange.rules[symbol].base
        free = self._free(base)
        quantity = self.world.floor.rounded(symbol, free * Decimal(dice.choice(("0.3", "0.6", "1"))))
        if quantity <= 0:
            return False
        done = self._place(symbol=symbol, side="SELL", type="MARKET", quantity=str(quantity))
        if done:
            self.raided.add(base)
        return done

    def over_fill(self, dice: random.Random) -> bool:
        """The exchange executes more of an order than was asked for: no exchange should, some have."""
        found = [order for order in self._orders() if is_ours(order.placed_id, "rt") and not order.quote_qty]
        if not found:
            return False
        order, core = dice.choice(found), self.world.net.exchange.core
        pair, extra = core.pairs[order.symbol], self.world.floor.lot(order.symbol, 5)
        asset = pair.rules.quote if order.is_buy else pair.rules.base
        more = extra * order.price if order.is_buy else extra
        if core.ledger.accounts[UID].free(asset) < more:
            return False
        core.ledger.lock(UID, asset, more)
        order.locked += more
        order.qty += extra
        self.overfilled.add(order.placed_id)
        self.world.floor.fill_whole(order)
        return True
