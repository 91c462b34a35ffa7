"""The operations under /sapi, which only some exchanges have: the wallet's histories and the key's rights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .operations import Desk, Operation, Raw, Run

SAPI = "/sapi/v1"


def _wallet(name: str) -> Run:
    def run(desk: Desk, uid: int, raw: Raw, now_ms: int) -> Any:
        return getattr(desk.exchange.wallet, name)(uid, raw, now_ms)

    return run


def _history(name: str, path: str, weight: int, purse: str) -> Operation:
    return Operation(
        name=f"wallet.{name}", kind="wallet", run=_wallet(name), weight=lambda raw: weight, signed=True,
        rest=("GET", SAPI + path), purse=purse,
    )  # fmt: skip


HISTORIES: tuple[Operation, ...] = (
    _history("deposits", "/capital/deposit/hisrec", 1, "IP"),
    _history("withdrawals", "/capital/withdraw/history", 18_000, "UID"),
    _history("transfers", "/asset/transfer", 1, "IP"),
    _history("dribblets", "/asset/dribblet", 1, "IP"),
    _history("conversions", "/convert/tradeFlow", 3_000, "UID"),
)

RESTRICTIONS = Operation(
    name="account.apiRestrictions", kind="account", signed=True, purse="IP", weight=lambda raw: 1,
    run=lambda desk, uid, raw, now_ms: desk.rights.answer(raw, desk.exchange.opened_ms),
    rest=("GET", SAPI + "/account/apiRestrictions"),
)  # fmt: skip
BELOW_SAPI = (*HISTORIES, RESTRICTIONS)

SAPI_BY_REST: Mapping[tuple[str, str], Operation] = {each.rest: each for each in BELOW_SAPI if each.rest}
SAPI_PATHS = frozenset(each.rest[1] for each in BELOW_SAPI if each.rest is not None)
