"""How much memory the house has after 10^5 and after 10^6 order events: all keepers, hands and the journal, in virtual time.

    nice python benchmarks/memory.py [EVENTS] [EVERY]

The house is the engine's own (topology, supervisor, mailboxes, journal on disk); only clock and exchange are replaced: a
tiny one that fills, part-fills or rests what it is told, so that nothing but the house can grow. An order event is a record
about one order. One order a second: bought in two trades, sold, left to rest and cancelled by the house, refused.
Final orders are archived as in production. Exit code 1 when memory grew by more than a tenth since the first figure.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from realtrading import assembly  # noqa: E402
from realtrading.actors.board import Board  # noqa: E402
from realtrading.actors.feed import Listeners  # noqa: E402
from realtrading.actors.tally import Tally  # noqa: E402
from realtrading.domain.commands import (  # noqa: E402
    ListOpenOrders,
    OrderIntent,
    PlaceCancel,
    QueryOrder,
    SubmitOrder,
    TakeSnapshot,
)
from realtrading.domain.limits import RealTradingConfig  # noqa: E402
from realtrading.domain.orders import RealOrder  # noqa: E402
from realtrading.domain.reasons import Reason  # noqa: E402
from realtrading.domain.reports import (  # noqa: E402
    AccountReported,
    CancelAnswered,
    ClockMeasured,
    ExecutionReport,
    ExecutionReported,
    OpenOrdersListed,
    OrderLookedUp,
    PlacementAcknowledged,
    PlacementRefused,
    RulesReported,
    SnapshotTaken,
    TradeReport,
)
from realtrading.domain.values import ClientId, Now, OrderType, Quote, Role, Side, SymbolRules  # noqa: E402
from realtrading.journal.store import Binding, Journal  # noqa: E402
from realtrading.venue.port import StreamReport, VenueGauges  # noqa: E402
from simulation.clockwork import VirtualLoop  # noqa: E402

SYMBOL, BASE, QUOTE = "BTCUSDT", "BTC", "USDT"
PRICE, LOT, FEE = Decimal(50_000), Decimal("0.002"), Decimal("0.001")
PERIOD_S = 1.0
ALLOWED = 1.10
RULES = SymbolRules(
    symbol=SYMBOL, base=BASE, quote=QUOTE, status="TRADING", tick=Decimal("0.01"), step=Decimal("0.00001"),
    quantity_min=Decimal("0.00001"), quantity_max=Decimal(9000), price_min=Decimal("0.01"), price_max=Decimal(10**6),
    notional_min=Decimal(5), order_types=("LIMIT", "MARKET"),
)  # fmt: skip
LIMITS = RealTradingConfig(
    max_position_size_usdt=Decimal(10**6), max_total_exposure_usdt=Decimal(10**7), max_daily_loss_usdt=Decimal(10**9),
    max_order_value_usdt=Decimal(1000), max_positions=5, risk_per_trade_percent=Decimal(100), circuit_breaker_errors=1000,
    order_timeout_secs=3, stale_order_timeout_secs=60, reconciliation_interval_secs=30,
)  # fmt: skip


class Counter:
    """An exchange that keeps the open orders, the account, and the trades that the house has not acknowledged yet."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.gauges = VenueGauges()
        self.balances = {BASE: Decimal(0), QUOTE: Decimal(10**8)}
        self.open: dict[int, RealOrder] = {}
        self.trades: list[TradeReport] = []
        self.ids, self.trade_ids = itertools.count(1), itertools.count(1)
        self.generation = 0
        self.deliver: Callable[[StreamReport], None] = lambda report: None

    async def connect(self, generation: int, deliver: Callable[[StreamReport], None], **_: Any) -> None:
        """One generation for ever."""
        self.generation, self.deliver = generation, deliver

    async def check_stream(self) -> None:
        """It never forgets a subscription."""

    async def close(self) -> None:
        """Nothing is held."""

    async def account_uid(self) -> int:
        """Ours."""
        return 7

    async def rules(self, symbols: Sequence[str]) -> RulesReported:
        """One symbol."""
        return RulesReported(rules=(RULES,))

    async def measure_clock(self) -> ClockMeasured:
        """Exactly right."""
        return ClockMeasured(offset_s=0.0, uncertainty_s=0.001)

    def server_time(self, utc: datetime) -> datetime:
        """The same."""
        return utc

    async def place(self, order: RealOrder, *, unheard: bool = False) -> PlacementAcknowledged | PlacementRefused:
        """Fill a market order in two trades, let a limit order rest, refuse what is sold for nothing."""
        if order.price is not None and order.price > PRICE * 2:
            return PlacementRefused(id=order.id, reason=Reason.VENUE_FILTER, code=-1013, message="PERCENT_PRICE", sent=True)
        number = next(self.ids)
        if order.price is not None:
            self.open[number] = order
            report = self.report(order, number, "NEW", Decimal(0), ())
            self.deliver(ExecutionReported(report=report, generation=self.generation))
            return PlacementAcknowledged(id=order.id, report=report, latency_s=0.01)
        half = order.original_quantity / 2
        told: list[TradeReport] = []
        for status in ("PARTIALLY_FILLED", "FILLED"):
            told.append(self.trade(order, number, half))
            report = self.report(order, number, status, half * len(told), (told[-1],))
            self.deliver(ExecutionReported(report=report, generation=self.generation))
        self.tell_account()
        return PlacementAcknowledged(
            id=order.id, report=self.report(order, number, "FILLED", order.original_quantity, tuple(told)), latency_s=0.01
        )

    def trade(self, order: RealOrder, number: int, quantity: Decimal) -> TradeReport:
        """One trade, booked."""
        buys, worth = order.side is Side.BUY, quantity * PRICE
        fee, asset = (quantity * FEE, BASE) if buys else (worth * FEE, QUOTE)
        sign = 1 if buys else -1
        self.balances[BASE] += sign * quantity
        self.balances[QUOTE] -= sign * worth
        self.balances[asset] -= fee
        found = TradeReport(
            symbol=SYMBOL, trade_id=next(self.trade_ids), exchange_order_id=number, side=order.side, price=PRICE,
            quantity=quantity, quote_quantity=worth, commission=fee, commission_asset=asset, is_maker=False,
            venue_at=self.loop.true_utc(),
        )  # fmt: skip
        self.trades.append(found)
        return found

    def report(
        self, order: RealOrder, number: int, status: str, executed: Decimal, trades: tuple[TradeReport, ...]
    ) -> ExecutionReport:
        """The order as it stands."""
        return ExecutionReport(
            symbol=SYMBOL, client_id=order.id, exchange_order_id=number, side=order.side, order_type=str(order.order_type),
            status=status, price=order.price or Decimal(0), stop_price=Decimal(0), original_quantity=order.original_quantity,
            executed_quantity=executed, cumulative_quote=executed * PRICE, time_in_force="GTC", trades=trades,
            venue_at=self.loop.true_utc(),
        )  # fmt: skip

    def tell_account(self) -> None:
        """The account's word after a trade."""
        told = {asset: (amount, Decimal(0)) for asset, amount in self.balances.items()}
        self.deliver(AccountReported(balances=told, venue_at=self.loop.true_utc(), generation=self.generation))

    async def cancel(self, command: PlaceCancel) -> CancelAnswered:
        """End a resting order."""
        order = self.open.pop(command.exchange_order_id)
        report = self.report(order, command.exchange_order_id, "CANCELED", Decimal(0), ())
        self.deliver(ExecutionReported(report=report, generation=self.generation))
        return CancelAnswered(id=command.id, certain=True, report=report, code=0, message="")

    async def query(self, command: QueryOrder) -> OrderLookedUp:
        """Nobody should have to ask."""
        raise AssertionError(f"asked about {command}")

    async def snapshot(self, command: TakeSnapshot) -> SnapshotTaken:
        """Open orders, the trades above the cursor, the account; what is below the cursor is forgotten here."""
        at, cursor = self.loop.true_utc(), command.cursors[SYMBOL]
        self.trades = [trade for trade in self.trades if trade.trade_id > cursor]
        newest = max((trade.trade_id for trade in self.trades), default=max(cursor, 0))
        return SnapshotTaken(
            token=command.token, generation=command.generation, account_uid=7, asked_at=at, answered_at=at,
            open_orders=self.resting(),
            trades=() if cursor < 0 else tuple(self.trades), cursors={SYMBOL: newest},
            balances={asset: (amount, Decimal(0)) for asset, amount in self.balances.items()},
        )  # fmt: skip

    async def list_open(self, command: ListOpenOrders) -> OpenOrdersListed:
        """What rests."""
        at = self.loop.true_utc()
        return OpenOrdersListed(symbol=command.symbol, orders=self.resting(), asked_at=at)

    def resting(self) -> tuple[ExecutionReport, ...]:
        """Every open order."""
        return tuple(self.report(order, number, "NEW", Decimal(0), ()) for number, order in self.open.items())

    async def movements(self, command: Any) -> Any:
        """Nothing moves without an order."""
        raise AssertionError(f"asked about {command}")

    async def watch_quotes(self, symbols: Sequence[str], on_quote: Callable[[Quote], None]) -> None:
        """The same price for ever."""
        while True:
            now = self.loop.true_utc()
            on_quote(Quote(symbol=SYMBOL, bid=PRICE, ask=PRICE + 1, last=PRICE, at=now, mono=self.loop.time()))
            await self.loop.passing(1.0)


class Drive:
    """One house on one journal, and a person who wants an order each second."""

    def __init__(self, path: Path) -> None:
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.store = Journal.open(
            path, binding=Binding(mode="simulated"), durability="process", code_version="benchmark", config_digest="-",
            utc=self.loop.true_utc,
        )  # fmt: skip
        self.run = self.store.begin_run()
        self.counter = itertools.count(1)
        self.parts = assembly.Parts(
            limits=LIMITS, symbols=(SYMBOL,), reporting_asset=QUOTE, prefix="rt", run=self.run, rules=(RULES,),
            durability="process", observe=False, venue=Counter(self.loop), store=self.store,
            board=Board(), listeners=Listeners(), tally=Tally(), clock=self.now, strategies=(),
            own_runs=self.store.own_runs(),
        )  # fmt: skip
        self.house = assembly.build(
            self.parts, on_escalate=self.broken, on_fatal=self.broken, on_news=lambda event: None, seed=1
        )

    def now(self) -> Now:
        """Virtual time."""
        return Now(mono=self.loop.time(), utc=self.loop.true_utc())

    def broken(self, *what: object) -> None:
        """Nothing should break here."""
        raise SystemExit(f"the house broke: {what}")

    @property
    def order_events(self) -> int:
        """Records about one order so far."""
        return sum(count for kind, count in self.store.records_total.items() if kind.startswith(("Order", "Intent")))

    async def settle(self) -> None:
        """Let the house and its tasks go on until nothing waits at this moment."""
        idle, seeded = 0, self.house.seeded
        assert seeded is not None
        while idle < 3:  # an answer travels over as many tasks
            # as House.step, without judging everybody again after each letter of one and the same moment
            self.house.supervisor.round()
            self.house._ticker.round()
            served = 0
            while seeded.step() is not None:
                served += 1
            seeded.do_chores(seeded.shift)
            idle = 0 if served else idle + 1
            await asyncio.sleep(0)

    def want(self) -> None:
        """The next order of the pattern."""
        number = next(self.counter)
        kind = number % 5
        side = Side.SELL if kind in (1, 3) else Side.BUY
        price = {2: PRICE - 1000, 4: PRICE * 3 if number % 25 == 4 else PRICE - 2000}.get(kind)
        name = ClientId(prefix="rt", run=self.run, strategy="user", role=Role.ENTRY, counter=number)
        intent = OrderIntent(
            id=str(name), strategy="user", symbol=SYMBOL, side=side, role=Role.ENTRY, quantity=LOT if kind else LOT * 2,
            order_type=OrderType.MARKET if price is None else OrderType.LIMIT, price=price,
        )  # fmt: skip
        if price == PRICE * 3:
            intent = attrs.evolve(intent, quantity=LOT / 4)
        self.house.post(SubmitOrder(intent=intent), sender="engine")

    async def live(self, until: int) -> None:
        """Trade until so many order events are recorded."""
        while self.order_events < until:
            if self.ready():
                self.want()
            await self.settle()
            await self.loop.passing(PERIOD_S)

    async def start(self) -> None:
        """Begin, on the running loop."""
        self.house.start()

    def ready(self) -> bool:
        """True once the first round has closed the breaker."""
        return not self.house.tables("breaker")["breaker"]["state"][1]

    def rows(self) -> Mapping[str, int]:
        """Rows of every actor's tables, and what else it remembers."""
        told = {}
        for name in self.house.names:
            for table, rows in self.house.tables(name).items():
                told[f"{name}.{table}"] = len(rows)
            for kind, memory in self.house.mailbox(name).memory.items():
                if hasattr(memory, "__len__"):
                    told[f"{name}:{kind}"] = len(memory)
        return {name: count for name, count in told.items() if count > 20}


def resident_mib() -> float:
    """Resident memory of this process."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> int:
    """Drive and tell."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    every = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    figures: list[float] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        drive = Drive(Path(folder) / "journal.db")
        drive.loop.run_until_complete(drive.start())
        for step in range(every, events + 1, every):
            drive.loop.run_until_complete(drive.live(step))
            figures.append(resident_mib())
            virtual = timedelta(seconds=round(drive.loop.time() - 1000))
            print(
                f"{drive.order_events} order events, {drive.store.last_seq} records, {virtual} of virtual time, "
                f"{time.perf_counter() - began:.0f} s: {figures[-1]:.1f} MiB resident, journal "
                f"{drive.store.size_bytes / 2**20:.0f} MiB, rows {dict(drive.rows())}",
                flush=True,
            )
        _end(drive)
    return 0 if figures[-1] <= figures[0] * ALLOWED else 1


def _end(drive: Drive) -> None:
    drive.store.close()
    for task in asyncio.all_tasks(drive.loop):
        task.cancel()
    drive.loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(drive.loop), return_exceptions=True))
    drive.loop.close()


if __name__ == "__main__":
    sys.exit(main())
