"""Reading request parameters the way Binance does: what is legal, what is missing, what nobody asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from . import errors

ENVELOPE = frozenset({"timestamp", "signature", "recvWindow", "apiKey"})
"""Names that belong to the signed request, not to the order; the servers check them."""

NUMBER = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
INTEGER = r"^[0-9]{1,20}$"
SYMBOL = r"^[A-Z0-9-_.]{1,20}$"
CLIENT_ID = r"^[a-zA-Z0-9-_]{1,36}$"
_LEGAL = {legal: re.compile(legal, re.ASCII) for legal in (NUMBER, INTEGER, SYMBOL, CLIENT_ID)}
_LARGEST_ID = 2**63 - 1
_LARGEST_AMOUNT = Decimal(_LARGEST_ID).scaleb(-8)


class Params:
    """One request's parameters; each is marked when read, `done` refuses what was left over."""

    def __init__(self, raw: Mapping[str, str]) -> None:
        self._raw = {name: value for name, value in raw.items() if name not in ENVELOPE}
        self._read: set[str] = set()

    def _name(self, name: str) -> str:
        """What the request calls this parameter."""
        return name

    def sent(self, name: str) -> bool:
        """Whether the parameter was sent; does not count as reading it."""
        return self._name(name) in self._raw

    def text(self, name: str, legal: str | None = None) -> str | None:
        """An optional value. Raises -1105 when empty, -1100 when it does not match `legal`."""
        name = self._name(name)
        self._read.add(name)
        value = self._raw.get(name)
        if value is None:
            return None
        if not value:
            raise errors.empty_parameter(name)
        if legal is not None and not _LEGAL[legal].fullmatch(value):
            raise errors.illegal_chars(name, legal)
        return value

    def required(self, name: str, legal: str | None = None) -> str:
        """A mandatory value. Raises -1102 when missing or empty, -1100 when illegal."""
        if not self._raw.get(self._name(name)):
            raise errors.mandatory_missing(self._name(name))
        value = self.text(name, legal)
        assert value is not None
        return value

    def decimal(self, name: str) -> Decimal | None:
        """An optional plain decimal; no sign, exponent, underscore or other digits than 0-9. Raises -1108 when it is
        too large for eight decimals in 64 bits."""
        value = self.text(name, NUMBER)
        if value is None:
            return None
        if Decimal(value) > _LARGEST_AMOUNT:
            raise errors.overflow(self._name(name))
        return Decimal(value)

    def required_decimal(self, name: str) -> Decimal:
        """A mandatory plain decimal."""
        self.required(name, NUMBER)
        value = self.decimal(name)
        assert value is not None
        return value

    def integer(self, name: str) -> int | None:
        """An optional whole number. Raises -1108 beyond 64 bits."""
        value = self.text(name, INTEGER)
        if value is None:
            return None
        if int(value) > _LARGEST_ID:
            raise errors.overflow(self._name(name))
        return int(value)

    def limit(self, default: int, largest: int) -> int:
        """The `limit` parameter: `default` when missing, cut to `largest`. Raises -1130 below 1."""
        value = self.integer("limit")
        if value is None:
            return default
        if value < 1:
            raise errors.invalid_data("limit")
        return min(value, largest)

    def flag(self, name: str) -> bool:
        """An optional true/false, false when missing. Raises -1130 for anything else."""
        value = self.text(name)
        if value is not None and value.lower() not in ("true", "false"):
            raise errors.invalid_data(name)
        return value is not None and value.lower() == "true"

    def refuse(self, *names: str) -> None:
        """Raise -1106 for a parameter that this order type does not take."""
        for name in names:
            if self.sent(name):
                raise errors.not_required(self._name(name))

    def done(self) -> None:
        """Raise -1104 when parameters are left that nobody read."""
        unread = len(self._raw.keys() - self._read)
        if unread:
            raise errors.unread_parameters(len(self._raw) - unread, len(self._raw))


class LegParams(Params):
    """One leg of an order list, read by the names a single order has: `price` may be `pendingAbovePrice` in the request.

    `shared` names what the leg takes from the list under another name, or under its own; everything else has the leg's
    `prefix`. Reading counts for the whole request, whose own `done` ends it.
    """

    def __init__(self, whole: Params, prefix: str, shared: Mapping[str, str]) -> None:
        self._raw = whole._raw
        self._read = whole._read
        self._prefix = prefix
        self._shared = shared

    def _name(self, name: str) -> str:
        known = self._shared.get(name)
        if known is not None:
            return known
        plain = "ClientOrderId" if name == "newClientOrderId" else name
        return self._prefix + plain[0].upper() + plain[1:]

    def done(self) -> None:
        """Nothing: what nobody read is found out once, for the whole request."""
