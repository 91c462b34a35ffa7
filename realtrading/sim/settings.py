"""What one simulated exchange is told at its start, and the checks on it; every mistake is one sentence."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from attrs import Factory, field, frozen

from .numbers import GRAIN

DEFAULT_BALANCES = ("USDT=10000", "BTC=1")
_ASSET_FORM = re.compile(r"[A-Z0-9]{1,20}")
_SYMBOL_FORM = re.compile(r"[A-Z0-9]{2,20}")
_KEY_FORM = re.compile(r"[A-Za-z0-9_-]{1,128}")
_AMOUNT_FORM = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)


class SettingsError(ValueError):
    """Settings that cannot be used; the text names the option."""


@frozen(kw_only=True)
class SimSettings:
    """Settings of one exchange. `speed`, `duration` (seconds) and `step` exclude each other; none means speed 1.

    Raises SettingsError when something does not fit.
    """

    host: str = "127.0.0.1"
    port: int = 17881
    key: str
    secret: str = field(repr=False)
    uid: int = 1001
    balances: Mapping[str, Decimal] = Factory(lambda: balances_of(()))
    tape: Path | None = None
    symbols: tuple[str, ...] = ()
    base: str | None = None
    quote: str | None = None
    speed: float | None = None
    duration: float | None = None
    step: bool = False
    hold: bool = False
    filters: Path | None = None
    seed: int = 1
    fee_maker: Decimal = Decimal("0.001")
    fee_taker: Decimal = Decimal("0.001")
    bnb_fee: bool = False
    sapi: bool = True

    def __attrs_post_init__(self) -> None:
        if not _KEY_FORM.fullmatch(self.key):
            raise SettingsError("--key must be 1 to 128 letters, digits, - or _")
        if not self.secret or not self.secret.isascii():
            raise SettingsError("--secret must be ASCII text, not empty")
        if sum((self.speed is not None, self.duration is not None, self.step)) > 1:
            raise SettingsError("--speed, --duration and --step exclude each other")
        for name, value in (("--speed", self.speed), ("--duration", self.duration)):
            if value is not None and not 0 < value < 1e9:
                raise SettingsError(f"{name} must be a number above 0, got {value}")
        self._check_symbols()

    def _check_symbols(self) -> None:
        for symbol in self.symbols:
            if not _SYMBOL_FORM.fullmatch(symbol):
                raise SettingsError(f"--symbol must be capital letters and digits like BTCUSDT, got {symbol!r}")
        if len(set(self.symbols)) < len(self.symbols):
            raise SettingsError("--symbol names the same symbol twice")
        if self.tape is not None and len(self.symbols) > 1:
            raise SettingsError("one --tape has one --symbol")
        if (self.base is None) != (self.quote is None):
            raise SettingsError("--base and --quote belong together: give both or neither")
        if self.base is not None and len(self.symbols) > 1:
            raise SettingsError("--base and --quote go with one --symbol only")


def listen_of(text: str) -> tuple[str, int]:
    """Host and port of a `host:port` on the loopback interface; raises SettingsError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise SettingsError(f"--listen must be host:port with a port from 0 to 65535, got {text!r}")
    # the name may stand for two addresses, and port 0 would then be two ports
    host = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SettingsError(f"--listen must be a loopback address like 127.0.0.1, got {host!r}")
    return host, int(port)


def balances_of(given: Iterable[str]) -> dict[str, Decimal]:
    """Opening balances from `ASSET=AMOUNT` texts, the defaults when there are none; raises SettingsError."""
    balances: dict[str, Decimal] = {}
    for text in tuple(given) or DEFAULT_BALANCES:
        asset, equals, amount = text.partition("=")
        if not equals or not _ASSET_FORM.fullmatch(asset):
            raise SettingsError(f"--balance must be ASSET=AMOUNT like USDT=10000, got {text!r}")
        if asset in balances:
            raise SettingsError(f"--balance names {asset} twice")
        balances[asset] = decimal_of("--balance", amount)
        if balances[asset] % GRAIN:
            raise SettingsError(f"--balance {text} has more than 8 decimals")
    return balances


def decimal_of(option: str, text: str) -> Decimal:
    """A plain non-negative decimal; raises SettingsError naming the option."""
    if not _AMOUNT_FORM.fullmatch(text):
        raise SettingsError(f"{option} must be a plain decimal number, got {text!r}")
    return Decimal(text)
