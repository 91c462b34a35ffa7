"""Everything a person decides about one engine, as one checked value; `realtrading.config` reads it from a file."""
from __future__ import annotations

import enum
import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

import attrs

from .limits import BadSettings, Mistake, RealTradingConfig
from .values import is_strategy_name, plain

__all__ = [
    "BadSettings",
    "Durability",
    "Listen",
    "Mistake",
    "Mode",
    "RealTradingConfig",
    "Settings",
    "StrategySettings",
    "VenueUrls",
    "config_digest",
    "is_loopback",
]


class Mode(enum.StrEnum):
    """Where the orders go: our simulator, Binance's testnet or demo, the real account only watched, or real money."""

    SIMULATED = "simulated"
    TESTNET = "testnet"
    BINANCE_DEMO = "binance-demo"
    OBSERVE = "observe"
    LIVE = "live"


class Durability(enum.StrEnum):
    """What a recorded order survives: loss of power (one sync before the wire), or only the end of the process."""

    POWER = "power"
    PROCESS = "process"


@attrs.frozen(kw_only=True)
class VenueUrls:
    """Where the simulator listens; real venues' addresses are not a setting. Loopback only."""

    rest_url: str
    ws_api_url: str
    stream_url: str


@attrs.frozen(kw_only=True)
class Listen:
    """An address to listen on; port 0 means any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@attrs.frozen(kw_only=True)
class StrategySettings:
    """One strategy: its name (part of every client id), the class to `use` ("module:Class" or "path.py:Class"), the
    symbols it may trade, and its own `config`, checked by the strategy's class."""

    name: str
    use: str
    symbols: tuple[str, ...]
    config: Mapping[str, Any] = attrs.field(factory=dict)


def _mode_or_raw(value: Any) -> Any:
    """The mode of that name, or the thing itself, so that every mistake can be named at once."""
    return Mode(value) if value in list(Mode) else value


def _durability_or_raw(value: Any) -> Any:
    return Durability(value) if value in list(Durability) else value


def _all_symbols(symbols: str | Iterable[str]) -> tuple[str, ...]:
    """A single symbol is a list of one."""
    return (symbols,) if isinstance(symbols, str) else tuple(symbols)


def _default_journal(settings: Settings) -> PurePath:
    # the mode is in the name, so that a changed mode can never meet another mode's journal
    return PurePath(settings.state_dir) / f"journal-{settings.mode}.db"


def _default_runtime(settings: Settings) -> PurePath:
    return PurePath(settings.state_dir)


@attrs.frozen(kw_only=True)
class Settings:
    """One engine's settings, checked. Raises `BadSettings` with every mistake at once.

    `symbols` are all that may be traded; `reporting_asset` is the unit of every limit; `prefix` begins every client id;
    `confirm_account` is the uid the key's account must have (required in mode live). `venue` is given in mode simulated
    and only there. `key_file` and `secret_file` None: from the service manager's credentials folder.
    `metrics_listen` None: no exporter. `runtime_dir` is where the running daemon can be talked to.
    """

    mode: Mode = attrs.field(default=Mode.TESTNET, converter=_mode_or_raw)
    symbols: tuple[str, ...] = attrs.field(converter=_all_symbols)
    reporting_asset: str = "USDT"
    prefix: str = "rt"
    state_dir: PurePath = attrs.field(default=PurePath("state"), converter=PurePath)
    confirm_account: int | None = None
    limits: RealTradingConfig = attrs.field(factory=RealTradingConfig)
    venue: VenueUrls | None = None
    key_file: PurePath | None = attrs.field(default=None, converter=attrs.converters.optional(PurePath))
    secret_file: PurePath | None = attrs.field(default=None, converter=attrs.converters.optional(PurePath))
    strategies: tuple[StrategySettings, ...] = attrs.field(default=(), converter=tuple)
    runtime_dir: PurePath = attrs.field(default=attrs.Factory(_default_runtime, takes_self=True), converter=PurePath)
    metrics_listen: Listen | None = attrs.field(factory=lambda: Listen(host="127.0.0.1", port=17880))
    journal_path: PurePath = attrs.field(default=attrs.Factory(_default_journal, takes_self=True), converter=PurePath)
    durability: Durability = attrs.field(default=Durability.POWER, converter=_durability_or_raw)

    def __attrs_post_init__(self) -> None:
        wrong = tuple(_mistakes(self))
        if wrong:
            raise BadSettings(wrong)


def config_digest(settings: Settings) -> str:
    """SHA-256 (hex) over the canonical effective settings: equal meaning, equal digest. No secret is part of it."""
    text = json.dumps(_canonical(attrs.asdict(settings)), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """`value` in JSON's terms, with one spelling for equal amounts."""
    if isinstance(value, Mapping):
        return {str(key): _canonical(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(inner) for inner in value]
    if isinstance(value, Decimal):
        return plain(value) if value.is_finite() else str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return str(value) if isinstance(value, PurePath) else value


def is_loopback(host: str) -> bool:
    """True for `localhost` and the addresses that never leave the machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# -- the checks ---------------------------------------------------------------

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{1,29}", re.ASCII)
_ASSET = re.compile(r"[A-Z0-9]{1,15}", re.ASCII)
_PREFIX = re.compile(r"[a-z]{1,4}", re.ASCII)
_USE = re.compile(r"[^:\s][^:]*:[^\W\d]\w*")
_URLS = {"rest_url": ("http", "https"), "ws_api_url": ("ws", "wss"), "stream_url": ("ws", "wss")}


def _mistakes(settings: Settings) -> Iterator[Mistake]:
    modes_wrong = tuple(_one_of("engine", "mode", settings.mode, Mode))
    yield from modes_wrong
    yield from _engine(settings)
    if not modes_wrong:
        yield from _venue(settings)
    if (settings.key_file is None) != (settings.secret_file is None):
        missing = "key_file" if settings.key_file is None else "secret_file"
        yield Mistake(section="credentials", key=missing, what="missing (allowed: both files, or no section at all)")
    yield from _strategies(settings)
    listen = settings.metrics_listen
    if listen is not None and not is_loopback(listen.host):
        yield Mistake(section="metrics", key="listen", what=f"{str(listen)!r} (allowed: a loopback address)")
    if listen is not None and not 0 <= listen.port <= 65535:
        yield Mistake(section="metrics", key="listen", what=f"port {listen.port} (allowed: 0 to 65535)")
    yield from _one_of("journal", "durability", settings.durability, Durability)


def _one_of(section: str, key: str, value: object, kind: type[enum.StrEnum]) -> Iterator[Mistake]:
    if not isinstance(value, kind):
        yield Mistake(section=section, key=key, what=f"{value!r:.60} (allowed: {', '.join(kind)})")


def _engine(settings: Settings) -> Iterator[Mistake]:
    if not settings.symbols:
        yield Mistake(section="engine", key="symbols", what='missing or empty (allowed: a list such as ["BTCUSDT"])')
    yield from _symbols("engine", settings.symbols)
    if not _ASSET.fullmatch(settings.reporting_asset):
        yield Mistake(section="engine", key="reporting_asset", what=(
            f"{settings.reporting_asset!r} (allowed: an asset such as \"USDT\")"))
    if not _PREFIX.fullmatch(settings.prefix):
        yield Mistake(section="engine", key="prefix", what=f"{settings.prefix!r} (allowed: 1 to 4 letters a-z)")
    uid = settings.confirm_account
    if uid is None and settings.mode is Mode.LIVE:
        yield Mistake(section="engine", key="confirm_account", what=(
            "missing (mode live needs the uid of the account that is meant, so that a wrong key cannot trade)"))
    if uid is not None and uid < 1:
        yield Mistake(section="engine", key="confirm_account", what=f"{uid} (allowed: the account's uid, above 0)")


def _symbols(section: str, symbols: Iterable[str]) -> Iterator[Mistake]:
    seen = set()
    for symbol in symbols:
        if not _SYMBOL.fullmatch(symbol):
            yield Mistake(section=section, key="symbols", what=f"{symbol!r} (allowed: capitals such as \"BTCUSDT\")")
        elif symbol in seen:
            yield Mistake(section=section, key="symbols", what=f"{symbol!r} stands there twice (allowed: once)")
        seen.add(symbol)


def _venue(settings: Settings) -> Iterator[Mistake]:
    urls = settings.venue
    if settings.mode is not Mode.SIMULATED:
        if urls is not None:
            yield Mistake(section="venue", key="", what=(
                f"not allowed in mode {settings.mode}: its addresses are fixed (allowed: only in mode simulated)"))
        return
    if urls is None:
        yield Mistake(section="venue", key="", what=(
            f"missing (mode simulated needs {', '.join(_URLS)}, as `realtrading sim serve` prints them)"))
        return
    for key, schemes in _URLS.items():
        yield from _url(key, getattr(urls, key), schemes)


def _url(key: str, url: str, schemes: tuple[str, str]) -> Iterator[Mistake]:
    try:
        parts = urlsplit(url)
        good = parts.scheme in schemes and is_loopback(parts.hostname or "") and parts.port != 0
    except ValueError:
        good = False
    if not good:
        yield Mistake(section="venue", key=key, what=(
            f"{url!r} (allowed: a loopback address such as \"{schemes[0]}://127.0.0.1:17881\")"))


def _strategies(settings: Settings) -> Iterator[Mistake]:
    names = set()
    for strategy in settings.strategies:
        section = f"strategy.{strategy.name}"
        if not is_strategy_name(strategy.name):
            yield Mistake(section=section, key="", what=(
                "not a strategy's name (allowed: 1 to 12 of a-z and 0-9, beginning with a letter)"))
        if strategy.name in names:
            yield Mistake(section=section, key="", what="stands there twice (allowed: once)")
        names.add(strategy.name)
        if not _USE.fullmatch(strategy.use):
            yield Mistake(section=section, key="use", what=(
                f"{strategy.use!r} (allowed: \"module:Class\" or \"path.py:Class\")"))
        if not strategy.symbols:
            yield Mistake(section=section, key="symbols", what="empty (allowed: some of [engine] symbols)")
        yield from _symbols(section, strategy.symbols)
        for symbol in strategy.symbols:
            if symbol not in settings.symbols and _SYMBOL.fullmatch(symbol):
                yield Mistake(section=section, key="symbols", what=f"{symbol!r} is not one of [engine] symbols")
