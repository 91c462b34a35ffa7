"""Reads the line that a simulated exchange prints when it is ready: where it listens, what it trades, its account's key."""
from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from realtrading.domain.settings import Mode, RealTradingConfig, Settings, VenueUrls
from realtrading.errors import BadInput

from .credentials import Credentials


@attrs.frozen(kw_only=True)
class Simulator:
    """A simulated exchange that waits for clients."""

    venue: VenueUrls
    symbols: tuple[str, ...]
    credentials: Credentials


def simulator_of(ready: str | Mapping[str, Any]) -> Simulator:
    """What `realtrading sim serve` printed, as text or already read. Raises `BadInput` naming what is missing."""
    said: Any = ready
    if isinstance(ready, str):
        try:
            said = json.loads(ready)
        except ValueError:
            raise BadInput(f"not the line that `realtrading sim serve` prints: {ready.strip()!r:.60}") from None
    wanted = ("rest_url", "ws_api_url", "stream_url", "key", "secret")
    words: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
    symbols: Any = words.get("symbols")
    missing = [name for name in wanted if not isinstance(words.get(name), str)]
    if not (isinstance(symbols, list | tuple) and symbols and all(isinstance(symbol, str) for symbol in symbols)):
        missing.append("symbols")
    if missing:
        raise BadInput(f"not the line that `realtrading sim serve` prints: no {', '.join(missing)} in it")
    urls = VenueUrls(rest_url=words["rest_url"], ws_api_url=words["ws_api_url"], stream_url=words["stream_url"])
    credentials = Credentials(key=words["key"], secret=words["secret"])
    return Simulator(venue=urls, symbols=tuple(symbols), credentials=credentials)


def simulated(
    ready: str | Mapping[str, Any],
    limits: RealTradingConfig,
    symbols: Iterable[str] | None,
    state_dir: Path | str,
) -> tuple[Settings, Credentials]:
    """Settings and credentials of an engine that trades there; `symbols` None: all it has. Raises `BadInput`."""
    simulator = simulator_of(ready)
    settings = Settings(
        mode=Mode.SIMULATED,
        symbols=simulator.symbols if symbols is None else tuple(symbols),
        limits=limits,
        venue=simulator.venue,
        state_dir=Path(state_dir),
        metrics_listen=None,
    )
    return settings, simulator.credentials
