"""What the API key may do, as the account's owner set it: GET /sapi/v1/account/apiRestrictions tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .errors import BinanceError
from .params import Params


@attrs.frozen(kw_only=True)
class KeyRights:
    """A key that reads and trades spot from one address, and nothing else: what a careful owner gives a machine."""

    ipRestrict: bool = True
    enableReading: bool = True
    enableWithdrawals: bool = False
    enableInternalTransfer: bool = False
    enableMargin: bool = False
    enableFutures: bool = False
    permitsUniversalTransfer: bool = False
    enableVanillaOptions: bool = False
    enableFixApiTrade: bool = False
    enableFixReadOnly: bool = False
    enableSpotAndMarginTrading: bool = True
    enablePortfolioMarginTrading: bool = False

    def changed(self, given: Mapping[str, Any]) -> KeyRights:
        """These rights with some replaced; raises ValueError naming what is unknown or neither true nor false."""
        for name, value in given.items():
            if name not in attrs.fields_dict(KeyRights):
                raise ValueError(f"unknown right {name!r}")
            if type(value) is not bool:
                raise ValueError(f"{name} must be true or false, got {value!r}")
        return attrs.evolve(self, **given)

    def answer(self, params: Mapping[str, str], created_ms: int) -> dict[str, Any]:
        """The answer of apiRestrictions."""
        Params(params).done()
        return {**attrs.asdict(self), "createTime": created_ms}

    def check(self, *, trades: bool) -> None:
        """Raise -2015 when the key may not do this."""
        if not (self.enableSpotAndMarginTrading if trades else self.enableReading):
            raise BinanceError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
