"""A whole engine in this process against the shipped simulator in a process of its own, and what the judge sees."""

import itertools
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import attrs

from processes import Processes
from realtrading.config import Credentials
from realtrading.domain.events import ActorRestarted, BreakerChanged, KeeperLost
from realtrading.domain.limits import RealTradingConfig
from realtrading.domain.orders import STATE_OF_STATUS
from realtrading.domain.settings import Settings, StrategySettings, VenueUrls
from realtrading.engine import RealTradingEngine
from realtrading.journal.fold import EngineLedger
from realtrading.journal.readers import fold_engine_ledger
from waiting import DeadlinePassed, wait_until

ROOT = Path(__file__).resolve().parents[2]
KEY = "house-tests-key"
SECRET = "house-tests-secret"
SYMBOL = "BTCUSDT"
LOT = Decimal("0.001")

WIDE = RealTradingConfig(
    max_position_size_usdt=Decimal(1_000_000),
    max_total_exposure_usdt=Decimal(1_000_000),
    max_daily_loss_usdt=Decimal(1_000_000),
    max_order_value_usdt=Decimal(1_000_000),
    risk_per_trade_percent=Decimal(100),
    max_positions=100,
    quote_age_max_secs=86_400,
)
"""Limits that never speak: a stepped market's quotes stand still, and these tests are about something else."""

T = TypeVar("T")


def letters(number: int) -> str:
    """A prefix of letters for a number: engines that share one account tell their orders apart by it."""
    first, last = divmod(number, 26)
    return f"k{chr(97 + first)}{chr(97 + last)}"


_prefixes = itertools.count()


class Judge:
    """The simulator's process and its judge's door."""

    def __init__(
        self,
        processes: Processes,
        *,
        balances: Sequence[str] = ("USDT=1000000", "BTC=1"),
        symbols: Sequence[str] = (SYMBOL,),
        more: Sequence[str] = ("--step",),
    ) -> None:
        arguments = ["--listen", "127.0.0.1:0", "--key", KEY, "--secret", SECRET, *more]
        arguments += [part for symbol in symbols for part in ("--symbol", symbol)]
        arguments += [part for balance in balances for part in ("--balance", balance)]
        self.process = processes.python("-m", "realtrading.sim", "serve", *arguments, cwd=ROOT)
        self.ready: dict[str, Any] = json.loads(self.process.wait_for_line(r'^\{.*"ready".*', 30).group(0))
        # many engines in a row share this account and this address: their sum is not what is tested here
        self.call("limits", weight_1m=10_000_000, orders_10s=1_000_000, raw_5m=10_000_000)

    @property
    def urls(self) -> VenueUrls:
        """Where it listens."""
        return VenueUrls(
            rest_url=self.ready["rest_url"], ws_api_url=self.ready["ws_api_url"], stream_url=self.ready["stream_url"]
        )

    def call(self, path: str, *, method: str | None = None, **given: Any) -> Any:
        """GET the judge's door, or POST what is given."""
        body = json.dumps(given).encode() if given else None
        request = urllib.request.Request(f"{self.ready['control_url']}/{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def fault(self, action: str, match: Mapping[str, Any], *, count: int | None = 1, **params: Any) -> None:
        """Script a fault."""
        self.call("faults", action=action, match=dict(match), count=count, params=params)

    def heal(self) -> None:
        """Forget every fault."""
        self.call("faults", method="DELETE")

    def truth(self) -> dict[str, Any]:
        """The ledger of truth."""
        found: dict[str, Any] = self.call("ledger")
        return found

    def totals(self) -> dict[str, Decimal]:
        """Asset -> what the account holds."""
        (held,) = self.truth()["totals"].values()
        return {asset: Decimal(text) for asset, text in held.items()}

    def requests(self, since: int = 0, kind: str | None = None) -> list[dict[str, Any]]:
        """What the exchange was asked."""
        return [each for each in self.call(f"requests?since={since}")["requests"] if kind in (None, each["kind"])]

    def places(self) -> dict[str, dict[str, int]]:
        """Client id -> place requests seen, orders created."""
        found: dict[str, dict[str, int]] = self.call("requests")["by_client_id"]
        return found

    def orders(self, prefix: str) -> dict[str, list[dict[str, Any]]]:
        """Client id -> the orders that were made under it, of one engine."""
        found: dict[str, list[dict[str, Any]]] = {}
        for order in self.truth()["orders"]:
            if order["clientOrderId"].startswith(f"{prefix}_"):
                found.setdefault(order["clientOrderId"], []).append(order)
        return found

    def fills(self, prefix: str) -> dict[str, dict[int, tuple[Decimal, Decimal]]]:
        """Client id -> trade id -> (quantity, price), of one engine."""
        truth = self.truth()
        names = {(order["symbol"], order["orderId"]): order["clientOrderId"] for order in truth["orders"]}
        found: dict[str, dict[int, tuple[Decimal, Decimal]]] = {}
        for fill in truth["trades"]:
            name = names.get((fill["symbol"], fill["orderId"]), "")
            if name.startswith(f"{prefix}_"):
                found.setdefault(name, {})[fill["id"]] = (Decimal(fill["qty"]), Decimal(fill["price"]))
        return found


class Ear:
    """Hears everything the feed tells, with the moment (epoch ms, as the simulator writes it)."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, object]] = []
        self._news = threading.Event()

    def __call__(self, event: object) -> None:
        self.heard.append((int(time.time() * 1000), event))

    def of(self, kind: type[T]) -> list[T]:
        """All events of one class."""
        return [event for _, event in self.heard if isinstance(event, kind)]

    def restarted(self, actor: str) -> ActorRestarted | None:
        """The news that this actor was restarted."""
        return next((event for event in self.of(ActorRestarted) if event.name == actor), None)

    def lost(self, actor: str) -> KeeperLost | None:
        """The news that this actor was lost."""
        return next((event for event in self.of(KeeperLost) if event.name == actor), None)

    def causes(self) -> list[tuple[str, ...]]:
        """The kinds of open causes, one entry per change of the breaker."""
        return [tuple(str(cause.kind) for cause in event.causes) for event in self.of(BreakerChanged)]


def settings_for(judge: Judge, folder: Path, **given: Any) -> Settings:
    """Settings of an engine at this simulator, with its state in this folder."""
    chosen: dict[str, Any] = {
        "mode": "simulated", "symbols": (SYMBOL,), "venue": judge.urls, "metrics_listen": None, "limits": WIDE,
        "journal_path": folder / "journal.db", "prefix": letters(next(_prefixes)), **given,
    }  # fmt: skip
    return Settings(**chosen)


def engine_for(
    settings: Settings, *, base_dir: Path = ROOT, on_fatal: Callable[[str, BaseException], object] | None = None
) -> RealTradingEngine:
    """An engine that is not started yet."""
    return RealTradingEngine(settings, Credentials(key=KEY, secret=SECRET), base_dir=base_dir, on_fatal=on_fatal)


def write_config(
    folder: Path,
    judge: Judge,
    *,
    name: str = "house.toml",
    strategies: Sequence[StrategySettings] = (),
    prefix: str = "",
    **limits: Any,
) -> Path:
    """A configuration file, with its secrets beside it, that says what `settings_for` says."""
    limits = {**attrs.asdict(WIDE), **limits}
    for text, value in (("api_key", KEY), ("api_secret", SECRET)):
        secret = folder / text
        secret.touch(mode=0o600)
        secret.write_text(value)
    urls = judge.urls
    lines = [
        "[engine]", 'mode = "simulated"', f'symbols = ["{SYMBOL}"]', f'prefix = "{prefix or letters(next(_prefixes))}"',
        "[venue]", f'rest_url = "{urls.rest_url}"', f'ws_api_url = "{urls.ws_api_url}"', f'stream_url = "{urls.stream_url}"',
        "[credentials]", 'key_file = "api_key"', 'secret_file = "api_secret"',
        "[metrics]", 'listen = "127.0.0.1:0"', "[journal]", 'path = "journal.db"',
        "[limits]", *(f"{key} = {value}" for key, value in limits.items()),
    ]  # fmt: skip
    for part in strategies:
        lines += [f"[strategy.{part.name}]", f'use = "{part.use}"', f'symbols = ["{SYMBOL}"]']
        lines += [f"[strategy.{part.name}.config]", *(f"{key} = {json.dumps(value)}" for key, value in part.config.items())]
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def dripper(name: str = "drip", **config: Any) -> StrategySettings:
    """A strategy that never stops buying and selling small lots."""
    use = f"{Path(__file__).with_name('dripping.py')}:Dripper"
    return StrategySettings(name=name, use=use, symbols=(SYMBOL,), config=config)


def wait_ready(engine: RealTradingEngine, deadline_s: float = 15.0) -> None:
    """Until no cause keeps the breaker open."""
    try:
        wait_until(lambda: engine.is_ready, deadline_s, "ready")
    except DeadlinePassed as late:
        raise DeadlinePassed(f"{late}; open: {engine.why_not_ready()}") from None


def quiet(engine: RealTradingEngine, deadline_s: float = 30.0) -> None:
    """Until every order's outcome is known and wholly accounted for, and nothing is under way in the house."""

    def nothing_open() -> bool:
        if not engine.settled(5.0):
            return False
        return all(
            order.state not in ("Pending", "Unknown") and not order.missing_quantity for order in engine.orders.values()
        )

    wait_until(nothing_open, deadline_s, "every order's outcome is known")


def folded(engine: RealTradingEngine) -> EngineLedger:
    """The engine's ledger, folded from its own journal and from nothing else."""
    bases = {symbol: (symbol.removesuffix("USDT"), "USDT") for symbol in engine.settings.symbols}
    return fold_engine_ledger(engine.settings.journal_path, bases)


def violations(judge: Judge, engine: RealTradingEngine) -> list[str]:
    """Where the engine's tables and the exchange's truth disagree; both must be at rest. Orders must not be archived."""
    prefix, wrong = engine.settings.prefix, []
    made, fills = judge.orders(prefix), judge.fills(prefix)
    for name, seen in judge.places().items():
        if name.startswith(f"{prefix}_") and (seen["place_requests"] > 1 or seen["orders_created"] > 1):
            wrong.append(f"{name}: {seen}")
    for name, orders in made.items():
        own = engine.orders.get(name)
        (order,) = orders
        if own is None:
            wrong.append(f"{name}: on the exchange, not in the engine")
            continue
        if own.state is not STATE_OF_STATUS[order["status"]]:
            wrong.append(f"{name}: engine {own.state}, exchange {order['status']}")
        ours = {fill.trade_id: (fill.quantity, fill.price) for fill in own.fills}
        known = own.before.trade_id if own.before is not None else -1  # those up to here are in an opening balance
        if ours != {number: fill for number, fill in fills.get(name, {}).items() if number > known}:
            wrong.append(f"{name}: engine's fills {ours}, exchange's {fills.get(name)}")
    for name, own in engine.orders.items():
        if name not in made and (own.fills or own.state != "Rejected"):
            wrong.append(f"{name}: {own.state} in the engine, unknown to the exchange")
    wrong.extend(money_violations(judge, engine))
    return wrong


def money_violations(judge: Judge, engine: RealTradingEngine) -> list[str]:
    """Where the three ledgers disagree: the exchange's, the one in memory and the one folded from the journal."""
    exchange, memory, ledger = judge.totals(), engine.balances, folded(engine)
    moved = {asset: sum(kinds.values()) for asset, kinds in ledger.flows.items()}  # by others: no trade of ours
    book = {asset: total + moved.get(asset, 0) for asset, total in ledger.totals.items()}
    found = []
    for asset in sorted({*exchange, *memory, *book}):
        amounts = [each.get(asset, Decimal(0)) for each in (exchange, memory, book)]
        if len(set(amounts)) > 1:
            found.append(f"{asset}: exchange {amounts[0]}, memory {amounts[1]}, folded {amounts[2]}")
    return found
