"""What an engine opens before its house stands: the journal of these settings, and the way to their exchange."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from realtrading import __version__
from realtrading.clock import utc_now
from realtrading.config import Credentials
from realtrading.domain.identity import EXIT_SUPERSEDED, RUN_MAX, superseded
from realtrading.domain.settings import Settings, config_digest
from realtrading.domain.values import ClientId, is_ours
from realtrading.errors import BadInput
from realtrading.journal.store import Binding, Journal
from realtrading.venue.binance_venue import BinanceVenue
from realtrading.venue.port import RequestSeen
from realtrading.venue.urls import VenueUrls, urls_for

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
EXIT_CONFIGURATION = 4


def open_journal(settings: Settings, base_dir: Path) -> Journal:
    """The settings' journal, its folder made when missing. Raises `BadInput` with its exit code."""
    path = base_dir / settings.journal_path
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as failure:
        what = f"no folder for the journal: {path.parent}: {(failure.strerror or str(failure)).lower()}"
        raise BadInput(what, exit_code=EXIT_CONFIGURATION) from None
    return Journal.open(
        path,
        binding=Binding(mode=settings.mode.value, account_uid=settings.confirm_account),
        durability=settings.durability.value,
        code_version=__version__,
        config_digest=config_digest(settings),
        utc=utc_now,
    )


def begin_run(store: Journal, client_ids: Iterable[str], prefix: str, utc: datetime) -> int:
    """Begin a run with a number above every one seen here and at the exchange; `utc` makes it differ from a lost memory's.

    Raises `BadInput`: no such number is left (4); the exchange shows a run with our prefix that this journal never had,
    so a newer instance trades there, and none is begun (7). A new journal, and a restored one, take it for their own.
    """
    ids = sorted(each for each in client_ids if is_ours(each, prefix))
    own = store.own_runs()
    for client_id in ids:
        strange = own.strange(client_id, prefix)
        if strange is not None and not store.restored:
            raise BadInput(superseded(strange, client_id), exit_code=EXIT_SUPERSEDED)
    seen = (parts.run for parts in map(ClientId.parse, ids) if parts is not None)
    run = store.begin_run(max([int((utc - EPOCH).total_seconds()), *seen]))
    if run > RUN_MAX:
        raise BadInput(f"journal {store.path}: run {run} does not fit into a client id", exit_code=EXIT_CONFIGURATION)
    return run


def symbols_to_know(settings: Settings, store: Journal) -> tuple[str, ...]:
    """The symbols to trade, and those that recovered orders and positions are of."""
    kept = [*store.rows("orders").values(), *store.rows("positions").values()]
    return tuple(dict.fromkeys((*settings.symbols, *(row.symbol for row in kept))))


def new_venue(settings: Settings, credentials: Credentials, on_request: Callable[[RequestSeen], None]) -> BinanceVenue:
    """A client of the settings' exchange, not connected yet; it belongs to the loop that uses it first."""
    given = settings.venue
    urls = (
        urls_for(settings.mode)
        if given is None
        else VenueUrls(rest=given.rest_url, ws_api=given.ws_api_url, stream=given.stream_url)
    )
    return BinanceVenue(
        urls, credentials.key, credentials.secret, utc=utc_now, mono=time.monotonic, on_request=on_request
    )
