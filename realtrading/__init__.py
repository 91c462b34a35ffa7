"""Executes and guards real-money trading on Binance with supervised actors."""
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realtrading.config.credentials import Credentials as Credentials
    from realtrading.domain.breaker import CircuitBreakerState as CircuitBreakerState
    from realtrading.domain.orders import OrderFill as OrderFill
    from realtrading.domain.orders import OrderState as OrderState
    from realtrading.domain.orders import RealOrder as RealOrder
    from realtrading.domain.positions import RealPosition as RealPosition
    from realtrading.domain.settings import RealTradingConfig as RealTradingConfig
    from realtrading.domain.settings import Settings as Settings
    from realtrading.domain.settings import StrategySettings as StrategySettings
    from realtrading.engine import RealTradingEngine as RealTradingEngine
    from realtrading.strategies.base import Strategy as Strategy

__version__ = "0.1.0"

_PUBLIC = {
    "CircuitBreakerState": "realtrading.domain.breaker",
    "Credentials": "realtrading.config.credentials",
    "OrderFill": "realtrading.domain.orders",
    "OrderState": "realtrading.domain.orders",
    "RealOrder": "realtrading.domain.orders",
    "RealPosition": "realtrading.domain.positions",
    "RealTradingConfig": "realtrading.domain.settings",
    "RealTradingEngine": "realtrading.engine",
    "Settings": "realtrading.domain.settings",
    "Strategy": "realtrading.strategies.base",
    "StrategySettings": "realtrading.domain.settings",
}
_EVENTS = "realtrading.domain.events"

__all__ = [
    "CircuitBreakerState",
    "Credentials",
    "OrderFill",
    "OrderState",
    "RealOrder",
    "RealPosition",
    "RealTradingConfig",
    "RealTradingEngine",
    "Settings",
    "Strategy",
    "StrategySettings",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when first used: the exchange's library alone costs half a second."""
    module = _PUBLIC.get(name)
    if module is None:
        events = importlib.import_module(_EVENTS)
        if name.startswith("_") or not hasattr(events, name):
            raise AttributeError(f"module 'realtrading' has no attribute {name!r}")
        return getattr(events, name)
    return getattr(importlib.import_module(module), name)
