"""Where a venue lives: the three addresses of each mode, and the rule that nothing secret travels in the clear."""

from __future__ import annotations

from urllib.parse import urlsplit

import attrs

from realtrading.errors import BadInput

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _with_path(url: str, path: str) -> str:
    bare = url.rstrip("/")
    return bare if urlsplit(bare).path else bare + path


def _rest(url: str) -> str:
    return _with_path(url, "/api")


def _ws_api(url: str) -> str:
    return _with_path(url, "/ws-api/v3")


def _stream(url: str) -> str:
    return url.rstrip("/")


@attrs.frozen(kw_only=True)
class VenueUrls:
    """Base addresses: REST (`…/api`), WebSocket API (`…/ws-api/v3`), market streams (no path).

    A bare host gets its usual path. Anything but the loopback must be https/wss, else `BadInput` (exit code 4).
    `has_wallet` False: nobody tells there of deposits and the like.
    """

    rest: str = attrs.field(converter=_rest)
    ws_api: str = attrs.field(converter=_ws_api)
    stream: str = attrs.field(converter=_stream)
    has_wallet: bool = True

    @property
    def sapi(self) -> str:
        """Where the wallet's histories are, if there are any."""
        return self.rest.removesuffix("/api") + "/sapi"

    @rest.validator
    @ws_api.validator
    @stream.validator
    def _is_safe(self, attribute: attrs.Attribute[str], url: str) -> None:
        secure, plain = ("https", "http") if attribute.name == "rest" else ("wss", "ws")
        parts = urlsplit(url)
        named = parts.hostname is not None and not (parts.username or parts.query or parts.fragment)
        if not named or not (parts.scheme == secure or (parts.scheme == plain and parts.hostname in _LOOPBACK)):
            raise BadInput(
                f"{attribute.name}_url must be {secure}:// ({plain}:// only on the loopback), not {url!r}", exit_code=4
            )


_LIVE = VenueUrls(
    rest="https://api.binance.com/api",
    ws_api="wss://ws-api.binance.com:443/ws-api/v3",
    stream="wss://stream.binance.com:9443",
)
_OFFICIAL = {
    "testnet": VenueUrls(
        rest="https://testnet.binance.vision/api",
        ws_api="wss://ws-api.testnet.binance.vision/ws-api/v3",
        stream="wss://stream.testnet.binance.vision",
        has_wallet=False,
    ),
    "binance-demo": VenueUrls(
        rest="https://demo-api.binance.com/api",
        ws_api="wss://demo-ws-api.binance.com/ws-api/v3",
        stream="wss://demo-stream.binance.com",
        has_wallet=False,
    ),
    "observe": _LIVE,
    "live": _LIVE,
}


def urls_for(mode: str) -> VenueUrls:
    """The official addresses of a mode.

    `BadInput` for `simulated` (its addresses are configuration) and unknown modes.
    """
    try:
        return _OFFICIAL[mode]
    except KeyError:
        raise BadInput(f"mode {mode!r} has no official addresses; known: {', '.join(sorted(_OFFICIAL))}", exit_code=4) from None
