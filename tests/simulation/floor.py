"""The exchange's floor: its market moves by itself, and everybody asks it for prices and lots."""

import decimal
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from realtrading.domain.values import EXACT, round_down
from realtrading.sim.exchange import Exchange
from realtrading.sim.fees import FeeSchedule
from realtrading.sim.market import Market
from realtrading.sim.matching import Offer
from realtrading.sim.tape import Tape

from .exchanges import UID

if TYPE_CHECKING:
    from .world import World


class Floor:
    """Two symbols, one account, and a market with dice of its own: no fault changes what it would do."""

    symbols = ("BTCUSDT", "BNBUSDT")

    def __init__(self, world: "World") -> None:
        self.world, self._dice = world, world.script.dice("market")
        tapes = [Tape.synthetic(symbol, world.script.seed, trades=300, span_ms=300_000) for symbol in self.symbols]
        self.exchange = Exchange(
            [tape.rules() for tape in tapes], fee=FeeSchedule(), now_ms=world.loop.true_ms(), seed=world.script.seed,
            lookup_after_cancel=self._dice.random() < 0.5,
        )  # fmt: skip
        self.fees_in_bnb = self._dice.random() < 0.5
        self.has_wallet = self._dice.random() < 0.7  # the histories of deposits and the like: test exchanges have none
        funds = {"USDT": Decimal(self._dice.choice((3000, 20000)))}
        if self.fees_in_bnb:
            funds["BNB"] = Decimal(self._dice.choice(("0.002", "5")))
        self.exchange.add_account(UID, funds)
        self.exchange.set_bnb_fees(UID, self.fees_in_bnb)
        self._markets = [Market(self.exchange, tape, tape.symbol, world.script.seed, loop=True) for tape in tapes]
        for market in self._markets:
            market.open(world.loop.true_ms())

    def play(self) -> None:
        """The market moves, for ever."""
        with decimal.localcontext(EXACT):
            for market in self._markets:
                if self._dice.random() < 0.7:
                    market.step(self._dice.choice((1, 1, 2, 5)), self.world.loop.true_ms())
            self.world.net.spread()
        self.world.loop.call_later(self._dice.uniform(0.1, 0.9), self.play)

    def fill_whole(self, order: Any) -> None:
        """All that is left of a resting order trades at its price."""
        pair, matcher = self.exchange.core.pairs[order.symbol], self.exchange.matcher
        side, now_ms = (pair.book.buys if order.is_buy else pair.book.sells), self.world.loop.true_ms()
        with decimal.localcontext(EXACT):
            printed = [matcher._trade(pair, side, Offer(order.price, order.remaining, order, None), order.remaining, now_ms)]
            matcher._print_aggregates(pair, printed)
            self.exchange.core.settle_positions(now_ms)
        self.world.net.spread()

    def price(self, symbol: str, factor: Decimal) -> Decimal:
        """The best bid times a factor, on the tick."""
        rules = self.exchange.rules[symbol]
        return round_down(Decimal(self.exchange.ticker_book(symbol)["bidPrice"]) * factor, rules.tick)

    def rounded(self, symbol: str, quantity: Decimal) -> Decimal:
        """A quantity on the step."""
        return round_down(quantity, self.exchange.rules[symbol].step)

    def lot(self, symbol: str, worth: int) -> Decimal:
        """So much quote in base units."""
        return self.rounded(symbol, Decimal(worth) / self.price(symbol, Decimal(1)))

    def orders(self) -> list[Any]:
        """Every order of the account, whoever placed it."""
        return [order for pair in self.exchange.core.pairs.values() for order in pair.orders.values() if order.uid == UID]
