"""Kills a trading daemon with SIGKILL at points chosen by seed over steps, and lets the exchange judge what was left.

`python tests/house/kill9.py` prints one line of JSON: kills, the points, how many violations (their text goes to stderr).
"""

import json
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import attrs

from house.kit import ROOT, SYMBOL, Judge, StrategySettings, write_config
from processes import Processes, Running
from realtrading.domain.events import OrderEvent
from realtrading.domain.orders import RealOrder
from realtrading.domain.values import ClientId
from realtrading.journal.readers import fold_engine_ledger, opened
from realtrading.journal.records import IntentRecorded
from waiting import wait_until

PREFIX = "kn"
WHERE = ("commit", "recorded", "sent", "executed", "held", "late")
"""What a point is counted in. commit: the journal's commits since the start of the process, the recovery's included. sent:
place requests that reached the exchange. The rest lie between commit and answer: recorded, and nothing sent; executed, the
answer held back; held on its way and never executed; executed after the death."""
BETWEEN = ("recorded", "executed", "held", "late")
BY_ITSELF = ("commit", "recorded")
SETTLE_S = 75.0
PATIENT = {"circuit_breaker_errors": 1_000}
"""An order found without an answer counts as an error, and so many deaths in a minute would end all traffic."""


@attrs.frozen
class Point:
    """Kill at the `step`-th record or place request after the daemon is ready."""

    where: str
    step: int

    def __str__(self) -> str:
        return f"{self.where}:{self.step}"


def points(kills: int, seed: int) -> list[Point]:
    """The same points for the same seed; each kind as often as its share of WHERE says."""
    dice = random.Random(seed)
    kinds = [WHERE[number % len(WHERE)] for number in range(kills)]
    dice.shuffle(kinds)
    return [Point(kind, dice.randint(1, 30) if kind == "commit" else dice.randint(1, 5)) for kind in kinds]


class Campaign:
    """One simulator, one journal, and one daemon after the other."""

    def __init__(self, processes: Processes, folder: Path) -> None:
        self.processes = processes
        self.judge = Judge(processes)
        use = f"{Path(__file__).with_name('dripping.py')}:Metronome"
        beat = StrategySettings(name="beat", use=use, symbols=(SYMBOL,), config={"rest": True})
        self.config = write_config(folder, self.judge, strategies=(beat,), prefix=PREFIX, **PATIENT)
        self.silent = write_config(folder, self.judge, name="silent.toml", prefix=PREFIX, **PATIENT)
        self.journal = folder / "journal.db"
        self.never_sent: set[str] = set()

    def start(self, config: Path) -> Running:
        """A daemon that is ready."""
        daemon = self.processes.python("-m", "realtrading", "run", "--config", str(config), cwd=ROOT)
        daemon.wait_for_line("ready, run", 30)
        return daemon

    def kill(self, point: Point) -> None:
        """Run one daemon up to the point, kill it, and note which recorded intents the exchange never saw."""
        if point.where in BY_ITSELF:
            wrapper = str(Path(__file__).with_name("dies_at_commit.py"))
            how = (wrapper, point.where, str(point.step), "run", "--config", str(self.config))
            daemon = self.processes.python(*how, cwd=ROOT)
        else:
            daemon = self.start(self.config)
            self.wait_for(point)
            daemon.send(signal.SIGKILL)
        assert daemon.wait(30) == -signal.SIGKILL, str(daemon)
        self.processes.forget(daemon)
        if point.where != "late":  # that request is still on its way, and its fault is spent by it
            self.judge.heal()
        self.never_sent |= self.intents() - set(self.judge.places())

    def wait_for(self, point: Point) -> None:
        """Until the exchange has seen so many place requests, or the scripted fault has caught the one that was meant."""
        match = {"kind": "place", "nth": point.step}
        if point.where == "sent":
            goal = self.seen() + point.step
            wait_until(lambda: self.seen() >= goal, 20, f"{point}")
            return
        if point.where == "executed":
            self.judge.fault("delay_after", match, ms=3_000)
        if point.where == "held":
            self.judge.fault("drop_before", match)
        if point.where in ("held", "late"):
            self.judge.fault("delay_before", match, ms=1_000)
        wait_until(lambda: self.judge.call("faults")["faults"][-1]["fired"], 20, f"{point}")

    def seen(self) -> int:
        """How many place requests the exchange has seen."""
        return sum(each["place_requests"] for each in self.judge.places().values())

    def intents(self) -> set[str]:
        """The ids of all recorded intents."""
        with opened(self.journal) as reader:
            events = (stored.event for stored in reader.events(types=["IntentRecorded"]))
            return {event.order.id for event in events if isinstance(event, IntentRecorded)}

    def settle(self) -> None:
        """A last run that trades nothing: until every fate is known (a proof of absence takes 23 s), then an orderly end."""
        daemon = self.start(self.silent)
        wait_until(self.all_known, SETTLE_S, "every order's fate is known")
        daemon.send(signal.SIGTERM)
        assert daemon.wait(20) == 0, str(daemon)

    def all_known(self) -> bool:
        with opened(self.journal) as reader:
            rows = reader.rows("orders").values()
        return all(order.state not in ("Pending", "Unknown") and not order.missing_quantity for order in rows)

    # -- the judgement --------------------------------------------------------

    def violations(self) -> list[str]:
        """Everything in which exchange and journal contradict each other."""
        return [*self.requests_wrong(), *self.orders_wrong(), *self.positions_wrong(), *self.money_wrong()]

    def requests_wrong(self) -> Iterable[str]:
        """One request and one order per id at most, none without a record, none sent after a restart."""
        recorded = self.intents()
        for name, seen in self.judge.places().items():
            if seen["place_requests"] > 1 or seen["orders_created"] > 1:
                yield f"{name}: {seen}"
            if name not in recorded:
                yield f"{name} was sent without a record"
            if name in self.never_sent:
                yield f"{name} was sent after a restart"

    def orders_wrong(self) -> Iterable[str]:
        """The last word about each order has exactly the exchange's fills."""
        last = self.last_words()
        made, fills = self.judge.orders(PREFIX), self.judge.fills(PREFIX)
        for name in sorted({*last, *made}):
            ours = {fill.trade_id: (fill.quantity, fill.price) for fill in last[name].fills} if name in last else None
            if ours != fills.get(name, {}):
                yield f"{name}: engine's fills {ours}, exchange's {fills.get(name, {})}"
            if name not in made and last[name].state != "Rejected":
                yield f"{name}: {last[name].state}, but the exchange never had it"

    def last_words(self) -> dict[str, RealOrder]:
        """The last total of every order, out of the events."""
        last = {}
        with opened(self.journal) as reader:
            for stored in reader.events():
                if isinstance(stored.event, OrderEvent):
                    last[stored.event.order.id] = stored.event.order
        return last

    def positions_wrong(self) -> Iterable[str]:
        """Quantity and realised result of each position, computed again from the account's trades alone."""
        truth = self.judge.truth()
        names = {order["orderId"]: order["clientOrderId"] for order in truth["orders"]}
        trades: dict[str, list[dict[str, Any]]] = {}
        for trade in truth["trades"]:
            owner = ClientId.parse(names.get(trade["orderId"], ""))
            if owner is not None and owner.prefix == PREFIX:
                trades.setdefault(f"{owner.strategy}/{trade['symbol']}", []).append(trade)
        with opened(self.journal) as reader:
            books = reader.rows("positions")
        if set(books) != set(trades):
            yield f"positions {sorted(books)}, traded {sorted(trades)}"
        for key in set(books) & set(trades):
            quantity, realized = recomputed(trades[key], "BTC", "USDT")
            book = books[key]
            if Fraction(book.quantity) != quantity or abs(Fraction(book.realized_total) - realized) > Fraction(1, 10**10):
                yield f"{key}: engine {book.quantity}, {book.realized_total}; from trades {float(quantity)}, {float(realized)}"

    def money_wrong(self) -> Iterable[str]:
        """The ledger folded from the journal's fills is the exchange's."""
        ours, theirs = fold_engine_ledger(self.journal, {SYMBOL: ("BTC", "USDT")}).totals, self.judge.totals()
        for asset in sorted({*ours, *theirs}):
            if ours.get(asset, 0) != theirs.get(asset, 0):
                yield f"{asset}: engine {ours.get(asset)}, exchange {theirs.get(asset)}"


def recomputed(trades: Iterable[dict[str, Any]], base: str, quote: str) -> tuple[Fraction, Fraction]:
    """Quantity held and result realised by average cost, in exact fractions. Fees in base shrink what was bought."""
    held = cost = realized = Fraction(0)
    for trade in sorted(trades, key=lambda each: (each["time"], each["id"])):
        quantity, cash = Fraction(trade["qty"]), Fraction(trade["quoteQty"])
        fee = Fraction(trade["commission"])
        in_base, in_quote = fee * (trade["commissionAsset"] == base), fee * (trade["commissionAsset"] == quote)
        realized -= in_quote
        if trade["isBuyer"]:
            held, cost = held + quantity - in_base, cost + cash
        else:
            gone = quantity + in_base
            share = cost * gone / held
            held, cost, realized = held - gone, cost - share, realized + cash - share
    return held, realized


def campaign(processes: Processes, folder: Path, kills: int, seed: int, tell: Callable[[str], object]) -> dict[str, Any]:
    """Kill so many times, settle, judge."""
    run = Campaign(processes, folder)
    chosen = points(kills, seed)
    for point in chosen:
        run.kill(point)
    run.settle()
    wrong = run.violations()
    for text in wrong:
        tell(text)
    return {
        "kills": len(chosen), "points": [str(point) for point in chosen], "violations": len(wrong),
        "between_commit_and_answer": sum(point.where in BETWEEN for point in chosen), "orders": len(run.intents()),
        "never_sent": len(run.never_sent),
    }  # fmt: skip


def main(arguments: list[str]) -> int:
    """`kill9.py [KILLS [SEED]]`."""
    kills, seed = (*map(int, arguments), *(30, 1)[len(arguments) :])
    with tempfile.TemporaryDirectory() as folder:
        processes = Processes(Path(folder))
        try:
            result = campaign(processes, Path(folder), kills, seed, lambda text: print(text, file=sys.stderr))
        finally:
            processes.end_all()
    print(json.dumps(result))
    return 1 if result["violations"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
