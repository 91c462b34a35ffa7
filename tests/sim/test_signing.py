"""Signatures, timestamps and API keys are judged exactly as Binance publishes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realtrading.sim.errors import BinanceError
from realtrading.sim.signing import (
    Credentials,
    KeyRing,
    check_signature,
    check_timing,
    hmac_hex,
    rest_payload,
    ws_payload,
)

NOW_MS = 1_700_000_000_000
OLD = "Timestamp for this request is outside of the recvWindow."
AHEAD = "Timestamp for this request was 1000ms ahead of the server's time."


@pytest.fixture
def published(shared_dir: Path) -> dict[str, dict[str, str]]:
    """Binance's own test vectors by name, with the example secret under `secret`."""
    data = json.loads((shared_dir / "binance" / "signing.json").read_text())
    vectors = {each["name"]: each for each in data["vectors"]}
    return {"secret": {"value": data["example_secret_key"]}, **vectors}


@pytest.mark.parametrize("name", ["rest_ascii", "rest_non_ascii_percent_encoded"])
def test_rest_vectors(published: dict[str, dict[str, str]], name: str) -> None:
    """A REST request signs its raw query and body, percent-encoding included, as in the published vectors."""
    vector = published[name]
    query, body = vector["payload"][:40], vector["payload"][40:]
    payload = rest_payload(query, body.encode() + b"&signature=" + vector["hmac_sha256_hex"].encode())
    assert payload == vector["payload"].encode()
    assert hmac_hex(published["secret"]["value"], payload) == vector["hmac_sha256_hex"]


@pytest.mark.parametrize(("name", "request_file"), [
    ("ws_ascii_sorted", "_signing.order.place.hmac_ascii.json"),
    ("ws_non_ascii_sorted_raw_utf8", "_signing.order.place.hmac_non_ascii.json"),
])  # fmt: skip
def test_ws_vectors(
    published: dict[str, dict[str, str]], shared_dir: Path, name: str, request_file: str
) -> None:
    """A WebSocket request signs its sorted parameters as raw UTF-8, as in the published requests."""
    params = json.loads((shared_dir / "binance" / "ws_api" / request_file).read_text())["params"]
    if name == "ws_ascii_sorted":
        params.pop("newOrderRespType", None)  # the published request carries it only in the RSA and Ed25519 samples
    payload = ws_payload(params)
    assert payload == published[name]["payload"].encode()
    owner = Credentials(params["apiKey"], published["secret"]["value"], 1)
    check_signature(owner, payload, params["signature"])
    check_signature(owner, payload, params["signature"].upper())


@pytest.mark.parametrize("given", ["", "00", "é", "\ud800", "a" * 64])
def test_wrong_signature(given: str) -> None:
    """Anything but the right signature is -1022, whatever bytes it is made of."""
    with pytest.raises(BinanceError) as refusal:
        check_signature(Credentials("k", "s", 1), b"symbol=BTCUSDT", given)
    assert (refusal.value.code, refusal.value.msg) == (-1022, "Signature for this request is not valid.")


@pytest.mark.parametrize(("timestamp", "window"), [
    (NOW_MS, None), (NOW_MS - 5000, None), (NOW_MS + 999, None), (NOW_MS - 60_000, "60000"),
    (NOW_MS * 1000 - 5_000_000, None), (NOW_MS * 1000 - 1_500, "1.5"), (NOW_MS, "0.001"),
])  # fmt: skip
def test_timestamp_inside_window(timestamp: int, window: str | None) -> None:
    """Milliseconds and microseconds are told apart by magnitude; the window's edges are inside."""
    params = {"timestamp": str(timestamp)} | ({"recvWindow": window} if window else {})
    check_timing(params, NOW_MS)
    assert params["timestamp"] == str(timestamp)


@pytest.mark.parametrize(("params", "code", "msg"), [
    ({}, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."),
    ({"timestamp": "x"}, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."),
    ({"timestamp": str(NOW_MS - 5001)}, -1021, OLD),
    ({"timestamp": str(NOW_MS * 1000 - 1_501), "recvWindow": "1.5"}, -1021, OLD),
    ({"timestamp": str(NOW_MS + 1000)}, -1021, AHEAD),
    ({"timestamp": "1400000000000", "recvWindow": "60000"}, -1021, OLD),
    ({"timestamp": str(NOW_MS), "recvWindow": "60001"}, -1131, "recvWindow must be less than 60000."),
    ({"timestamp": str(NOW_MS), "recvWindow": "60000.001"}, -1131, "recvWindow must be less than 60000."),
    ({"timestamp": str(NOW_MS), "recvWindow": "-1"}, -1102,
     "Mandatory parameter 'recvWindow' was not sent, was empty/null, or malformed."),
])  # fmt: skip
def test_timestamp_refused(params: dict[str, str], code: int, msg: str) -> None:
    """Each way to be outside the window has Binance's own code and text."""
    with pytest.raises(BinanceError) as refusal:
        check_timing(params, NOW_MS)
    assert (refusal.value.code, refusal.value.msg) == (code, msg)


@pytest.mark.parametrize(("key", "code"), [(None, -2014), ("", -2014), ("with space", -2014), ("unknown", -2015)])
def test_bad_keys(key: str | None, code: int) -> None:
    """A missing or malformed key is -2014, an unknown one -2015, both 401."""
    with pytest.raises(BinanceError) as refusal:
        KeyRing([Credentials("known", "s", 1)]).find(key)
    assert (refusal.value.code, refusal.value.status) == (code, 401)


def test_secret_is_not_shown() -> None:
    """A secret never appears in the repr of its credentials."""
    assert "hunter2" not in repr(Credentials("known", "hunter2", 1))
