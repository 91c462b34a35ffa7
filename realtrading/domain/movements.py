"""One thing that happened to the wallet without an order of ours, and how a ledger line remembers it."""
from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import attrs

from .values import ZERO, plain


class FlowKind(enum.StrEnum):
    """What it was. OTHER is a person's word for what no history tells."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"
    DUST = "dust"
    CONVERSION = "conversion"
    EXTERNAL_TRADE = "external_trade"
    OTHER = "other"


@attrs.frozen(kw_only=True)
class Movement:
    """One thing that happened to the wallet. `id` is the venue's own within its kind, `at` the venue's clock, `deltas`
    maps each asset to its signed change.
    """

    kind: FlowKind
    id: str
    at: datetime
    deltas: Mapping[str, Decimal]

    def key(self, asset: str) -> str:
        """How the asset's line remembers it. A trade is remembered as everywhere else: by its own identity alone."""
        if self.kind is FlowKind.EXTERNAL_TRADE:
            return trade_key(self.id)
        return f"{self.kind}|{self.at.isoformat()}|{self.deltas[asset]}|{self.id}"


def told_of(asset: str, movements: Iterable[Movement]) -> list[str]:
    """What they did to the asset, for people: the trades of a symbol together, everything else by itself."""
    groups: dict[str, list[Movement]] = {}
    for each in movements:
        trades = each.kind is FlowKind.EXTERNAL_TRADE
        groups.setdefault(each.id.partition(":")[0] if trades else f"{each.kind} {each.id}", []).append(each)
    return [_told(asset, name, group) for name, group in groups.items()]


def _told(asset: str, name: str, group: Sequence[Movement]) -> str:
    moved = f"moved {plain(sum((each.deltas[asset] for each in group), ZERO))} {asset}"
    begin, end = min(each.at for each in group), max(each.at for each in group)
    at = f"at {begin:%Y-%m-%d %H:%M:%S}" + ("" if begin == end else f" to {end:%Y-%m-%d %H:%M:%S}")
    if group[0].kind is not FlowKind.EXTERNAL_TRADE:
        return f"{name} {at} {moved}"
    numbers = [each.id.partition(":")[2] for each in group]
    which = f"trade {numbers[0]}" if len(group) == 1 else f"{len(group)} trades, {numbers[0]} to {numbers[-1]},"
    return f"{group[0].kind} in {name}, {which} {at} {moved}"


def trade_key(identity: str) -> str:
    """A foreign trade's identity, written SYMBOL:NUMBER, in a line."""
    return f"trade:{identity}"


def flow_key(at: datetime, amount: Decimal) -> str:
    """The identity of what the stream told."""
    return f"flow:{at.isoformat()}:{amount}"


def remembered(key: str) -> tuple[str, str]:
    """The kind of movement behind a line's key, and which one it was, for people."""
    if key.startswith("trade:"):
        return str(FlowKind.EXTERNAL_TRADE), key
    if key.startswith("flow:"):
        at, _, amount = key.removeprefix("flow:").rpartition(":")
        kind = FlowKind.WITHDRAWAL if amount.startswith("-") else FlowKind.DEPOSIT
        return str(kind), f"{plain(Decimal(amount))} at {datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S}"
    name, at, amount, id = key.split("|", 3)
    return name, f"{id} of {plain(Decimal(amount))} at {datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S}"
