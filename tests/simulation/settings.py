"""The limits the simulated house runs under, drawn per seed, and how long it may take to agree with the exchange."""

import random
from collections.abc import Iterable
from decimal import Decimal

from realtrading.domain.limits import RealTradingConfig
from realtrading.domain.settings import Settings, VenueUrls

CONVERGED_S = 60.0
STRATEGIES = {"ana": ("BTCUSDT", "BNBUSDT"), "bob": ("BTCUSDT",)}


def limits(dice: random.Random) -> RealTradingConfig:
    """Tight enough that they bind, quick enough for a minute of virtual time."""
    return RealTradingConfig(
        max_position_size_usdt=Decimal(dice.choice((900, 1500))),
        max_total_exposure_usdt=Decimal(dice.choice((1600, 2500))),
        max_daily_loss_usdt=Decimal(10_000),
        max_positions=5,
        risk_per_trade_percent=Decimal(100),
        circuit_breaker_errors=dice.choice((2, 3, 50)),
        circuit_breaker_cooldown_secs=dice.choice((2, 5)),
        reconciliation_interval_secs=dice.choice((4, 15)),
        order_timeout_secs=dice.choice((3, 8)),
        stale_order_timeout_secs=12,
        max_order_value_usdt=Decimal(600),
        quote_age_max_secs=dice.choice((2, 5)),
        default_slippage_percent=Decimal("0.1"),
    )


def of(symbols: Iterable[str], chosen: RealTradingConfig) -> Settings:
    """Settings in the engine's form."""
    url = "127.0.0.1:1"
    venue = VenueUrls(rest_url=f"http://{url}", ws_api_url=f"ws://{url}", stream_url=f"ws://{url}")
    return Settings(mode="simulated", symbols=tuple(symbols), limits=chosen, venue=venue, metrics_listen=None)
