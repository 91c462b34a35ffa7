"""What a person may choose about one demo, checked; every mistake is one sentence."""
from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import attrs

from realtrading.domain.values import BadAmount, amount
from realtrading.errors import BadInput

FAULTS = ("stream_drop", "submit_timeout_accepted", "throttled", "actor_crash")
"""The scripted faults, in the order in which they come."""

NO_FAULT = "none"
SECONDS_MIN = 10.0
SECONDS_MAX = 86_400.0


@attrs.frozen(kw_only=True)
class Lies:
    """What the simulator is told to lie about: an amount added in the account answer, one fill hidden everywhere."""

    account: tuple[str, Decimal] | None = None
    hidden_fill: bool = False


@attrs.frozen(kw_only=True)
class Options:
    """One demo. `seconds` of trading; without a `tape` a generated market of `seed` is traded."""

    seconds: float = 60.0
    tape: Path | None = None
    symbol: str | None = None
    base: str | None = None
    quote: str | None = None
    seed: int = 1
    faults: tuple[str, ...] = FAULTS
    lies: Lies = attrs.field(factory=Lies)

    def __attrs_post_init__(self) -> None:
        if not SECONDS_MIN <= self.seconds <= SECONDS_MAX:
            raise BadInput(f"--seconds {self.seconds:g}: allowed are {SECONDS_MIN:g} to {SECONDS_MAX:g}")


def faults_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """The faults to script: all when none is named, none for `none`. Raises `BadInput`."""
    if not names:
        return FAULTS
    if NO_FAULT in names:
        if set(names) != {NO_FAULT}:
            raise BadInput(f"--fault {NO_FAULT} goes with no other fault")
        return ()
    for name in names:
        if name not in FAULTS:
            raise BadInput(f"--fault {name}: no such fault (there are: {', '.join(FAULTS)}, {NO_FAULT})")
    return names


def account_lie(text: str | None) -> tuple[str, Decimal] | None:
    """Asset and amount of an `ASSET=AMOUNT`. Raises `BadInput`."""
    if text is None:
        return None
    asset, equals, number = text.partition("=")
    try:
        value = amount(number)
    except BadAmount:
        value = Decimal(0)
    if not equals or not asset.isascii() or not asset.isalnum() or not value:
        raise BadInput(f"--lie-account {text!r}: not ASSET=AMOUNT such as USDT=0.00000001")
    return asset.upper(), value
