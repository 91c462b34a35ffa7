"""Reading symbol rules from a file in the form of exchangeInfo, for `--filters FILE`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from .numbers import ZERO
from .rules import ORDER_TYPES, STP_MODES, PercentPrice, SymbolRules, TrailingDelta

_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_NO_LIMIT = Decimal("92233720368.54775807")
_LARGEST_FILE = 64_000_000


class FiltersError(ValueError):
    """A filters file that cannot be used; one sentence that names the file and the place."""


def load_filters(path: Path | str, symbol: str) -> SymbolRules:
    """The rules of `symbol` from a saved exchangeInfo answer, or from a file with just the symbol's entry.

    A filter that the file leaves out is off. Raises FiltersError.
    """
    path = Path(path)
    whole = _json(path)
    if not isinstance(whole, dict):
        raise FiltersError(f"{path}: must be a JSON object in the form of exchangeInfo")
    listed = whole.get("symbols", [whole])
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise FiltersError(f"{path}: 'symbols' must be a list of objects")
    for entry in listed:
        if entry.get("symbol") == symbol:
            return _Entry(path, entry).rules()
    raise FiltersError(f"{path}: has no symbol {symbol}")


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise FiltersError(f"{path}: is too large for a filters file")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise FiltersError(f"{path}: no such file") from None
    except OSError as error:
        raise FiltersError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise FiltersError(f"{path}: is not text; JSON is needed") from None
    except json.JSONDecodeError as error:
        raise FiltersError(f"{path}: line {error.lineno}: is not JSON: {error.msg}") from None
    except RecursionError:
        raise FiltersError(f"{path}: is nested too deeply") from None


class _Entry:
    """One symbol's entry while it is read."""

    def __init__(self, path: Path, entry: Mapping[str, Any]) -> None:
        self._path = path
        self._entry = entry
        self._filters = self._by_type(entry.get("filters", []))

    def rules(self) -> SymbolRules:
        """The entry as rules."""
        notional = "NOTIONAL" if "NOTIONAL" in self._filters or "MIN_NOTIONAL" not in self._filters else "MIN_NOTIONAL"
        on_market = "applyMinToMarket" if notional == "NOTIONAL" else "applyToMarket"
        market_max = self._amount("MARKET_LOT_SIZE", "maxQty", ZERO)
        max_notional = self._amount("NOTIONAL", "maxNotional", ZERO)
        stp_modes = tuple(mode for mode in self._names("allowedSelfTradePreventionModes") if mode in STP_MODES)
        default_stp = self._entry.get("defaultSelfTradePreventionMode", "NONE")
        return SymbolRules(
            symbol=self._name("symbol"),
            base=self._name("baseAsset"),
            quote=self._name("quoteAsset"),
            tick=self._amount("PRICE_FILTER", "tickSize", Decimal("0.00000001")) or Decimal("0.00000001"),
            step=self._amount("LOT_SIZE", "stepSize", Decimal("0.00000001")) or Decimal("0.00000001"),
            min_price=self._amount("PRICE_FILTER", "minPrice", ZERO),
            max_price=self._amount("PRICE_FILTER", "maxPrice", ZERO),
            min_qty=self._amount("LOT_SIZE", "minQty", ZERO),
            max_qty=self._amount("LOT_SIZE", "maxQty", _NO_LIMIT),
            market_max_qty=market_max or _NO_LIMIT,
            min_notional=self._amount(notional, "minNotional", ZERO),
            max_notional=max_notional or None,
            notional_filter=notional,
            min_notional_on_market=self._filters.get(notional, {}).get(on_market) is True,
            percent_price=self._percent_price(),
            max_num_orders=self._count("MAX_NUM_ORDERS", "maxNumOrders", 200),
            max_num_algo_orders=self._count("MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders", 200),
            max_num_order_lists=self._count("MAX_NUM_ORDER_LISTS", "maxNumOrderLists", 200),
            max_num_order_amends=self._count("MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends", 200),
            max_position=self._amount("MAX_POSITION", "maxPosition", ZERO) or None,
            trailing=self._trailing(),
            oco_allowed=self._entry.get("ocoAllowed") is True,
            oto_allowed=self._entry.get("otoAllowed") is True,
            replace_allowed=self._entry.get("cancelReplaceAllowed") is True,
            amend_allowed=self._entry.get("amendAllowed") is True,
            status=self._entry.get("status", "TRADING"),
            order_types=tuple(kind for kind in self._names("orderTypes") if kind in ORDER_TYPES) or ORDER_TYPES,
            base_precision=self._decimals("baseAssetPrecision"),
            quote_precision=self._decimals("quoteAssetPrecision"),
            default_stp=default_stp if default_stp in STP_MODES else "NONE",
            allowed_stp=stp_modes or STP_MODES,
        )

    def _percent_price(self) -> PercentPrice | None:
        name = "PERCENT_PRICE_BY_SIDE"
        if name not in self._filters:
            return None
        return PercentPrice(
            bid_up=self._amount(name, "bidMultiplierUp", Decimal(5)),
            bid_down=self._amount(name, "bidMultiplierDown", ZERO),
            ask_up=self._amount(name, "askMultiplierUp", Decimal(5)),
            ask_down=self._amount(name, "askMultiplierDown", ZERO),
        )

    def _trailing(self) -> TrailingDelta | None:
        name = "TRAILING_DELTA"
        if self._entry.get("allowTrailingStop") is not True:
            return None
        return TrailingDelta(
            min_above=self._count(name, "minTrailingAboveDelta", 1),
            max_above=self._count(name, "maxTrailingAboveDelta", 10_000),
            min_below=self._count(name, "minTrailingBelowDelta", 1),
            max_below=self._count(name, "maxTrailingBelowDelta", 10_000),
        )

    def _by_type(self, filters: Any) -> dict[str, dict[str, Any]]:
        if not isinstance(filters, list) or not all(isinstance(each, dict) for each in filters):
            raise FiltersError(f"{self._path}: 'filters' must be a list of objects")
        return {str(each.get("filterType")): each for each in filters}

    def _name(self, field: str) -> str:
        value = self._entry.get(field)
        if not isinstance(value, str) or not value:
            raise FiltersError(f"{self._path}: {self._entry.get('symbol')}: {field!r} is missing")
        return value

    def _names(self, field: str) -> list[str]:
        value = self._entry.get(field, [])
        if not isinstance(value, list):
            raise FiltersError(f"{self._path}: {self._entry.get('symbol')}: {field!r} must be a list")
        return [str(name) for name in value]

    def _decimals(self, field: str) -> int:
        value = self._entry.get(field, 8)
        if type(value) is not int or not 0 <= value <= 8:
            raise FiltersError(f"{self._path}: {self._entry.get('symbol')}: {field!r} must be a number from 0 to 8")
        return int(value)

    def _count(self, kind: str, field: str, default: int) -> int:
        value = self._filters.get(kind, {}).get(field, default)
        if type(value) is not int or value < 1:
            raise self._bad(kind, field, value)
        return int(value)

    def _amount(self, kind: str, field: str, default: Decimal) -> Decimal:
        value = self._filters.get(kind, {}).get(field)
        if value is None:
            return default
        if not isinstance(value, str) or not _NUMBER.fullmatch(value):
            raise self._bad(kind, field, value)
        return Decimal(value)

    def _bad(self, kind: str, field: str, value: Any) -> FiltersError:
        return FiltersError(f"{self._path}: {self._entry.get('symbol')}: {kind}.{field} {value!r} is not a number")
