"""Where each mode's venue lives, and that nothing secret travels in the clear."""

import pytest

from realtrading.errors import BadInput
from realtrading.venue.urls import VenueUrls, urls_for


@pytest.mark.parametrize(
    ("mode", "rest", "ws_api", "stream"),
    [
        ("live", "https://api.binance.com/api", "wss://ws-api.binance.com:443/ws-api/v3", "wss://stream.binance.com:9443"),
        ("observe", "https://api.binance.com/api", "wss://ws-api.binance.com:443/ws-api/v3", "wss://stream.binance.com:9443"),
        (
            "testnet",
            "https://testnet.binance.vision/api",
            "wss://ws-api.testnet.binance.vision/ws-api/v3",
            "wss://stream.testnet.binance.vision",
        ),
        (
            "binance-demo",
            "https://demo-api.binance.com/api",
            "wss://demo-ws-api.binance.com/ws-api/v3",
            "wss://demo-stream.binance.com",
        ),
    ],
)
def test_each_mode_has_its_official_addresses(mode: str, rest: str, ws_api: str, stream: str) -> None:
    """Real money only in `live`; `observe` looks at the same exchange. Play money has no history of deposits."""
    real = mode in ("live", "observe")
    assert urls_for(mode) == VenueUrls(rest=rest, ws_api=ws_api, stream=stream, has_wallet=real)


def test_the_wallet_is_asked_beside_the_exchange() -> None:
    """/sapi lies beside /api, at the very host."""
    assert urls_for("live").sapi == "https://api.binance.com/sapi"
    assert VenueUrls(rest="http://127.0.0.1:8", ws_api="ws://127.0.0.1:8", stream="ws://127.0.0.1:8").sapi == (
        "http://127.0.0.1:8/sapi"
    )


@pytest.mark.parametrize("mode", ["simulated", "LIVE", ""])
def test_other_modes_have_none(mode: str) -> None:
    """`simulated` is configured, and a mode nobody knows goes nowhere."""
    with pytest.raises(BadInput):
        urls_for(mode)


def test_bare_hosts_get_their_usual_paths() -> None:
    """A host alone, or with a slash at its end, is completed; a path that is given stays."""
    urls = VenueUrls(rest="http://127.0.0.1:1/", ws_api="ws://localhost:2", stream="ws://[::1]:3/")
    assert (urls.rest, urls.ws_api, urls.stream) == ("http://127.0.0.1:1/api", "ws://localhost:2/ws-api/v3", "ws://[::1]:3")
    assert VenueUrls(rest="https://h/x", ws_api="wss://h/y", stream="wss://h").rest == "https://h/x"


@pytest.mark.parametrize(
    "rest",
    ["http://api.binance.com", "ws://127.0.0.1", "https://", "api.binance.com", "", "https://me:pass@h", "https://h?a=b",
     "http://127.0.0.1.evil.example"],
)  # fmt: skip
def test_an_unsafe_address_is_refused(rest: str) -> None:
    """Plain HTTP beyond the loopback, credentials or queries in the address, and no host at all."""
    with pytest.raises(BadInput) as refused:
        VenueUrls(rest=rest, ws_api="wss://h", stream="wss://h")
    assert refused.value.exit_code == 4
    assert "rest_url" in str(refused.value)
