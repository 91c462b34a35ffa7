"""What metrics, reports and logs are told of a request, and what they are never told."""

import pytest

from venue.loopback import KEY, SECRET, order, query, run, stage


def test_every_request_is_seen_once_and_no_secret_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Metrics hear endpoint, method, status class and code; key, secret and signature are in no report and no log line."""

    async def scenario() -> None:
        async with stage() as on:
            leak = f"Invalid signature={'ab' * 32}&apiKey={KEY} for {SECRET}\nsecond line"
            on.exchange.answer("POST", "order", {"code": -1022, "msg": leak}, 400)
            on.exchange.answer("GET", "order", {"code": -1022, "msg": leak}, 400)
            refused = await on.venue.place(order())
            failed = await on.venue.query(query())
            on.venue._wire.client().API_URL = "http://127.0.0.1:1/api"
            unreached = await on.venue.query(query())
            on.venue._wire.client().API_URL = "http://127.0.0.1:nonsense/api"
            nonsense = await on.venue.query(query())
            said = "".join(map(str, (refused, failed, unreached, nonsense))) + caplog.text
            assert "Invalid signature" in said
            for secret in (KEY, SECRET, "abab"):
                assert secret not in said
            assert "\n" not in str(refused)
            seen = [(each.endpoint, each.method, each.status, each.code) for each in on.seen]
            assert seen == [
                ("userDataStream.subscribe.signature", "WS", "2xx", 0),
                ("/api/v3/order", "POST", "4xx", -1022),
                ("/api/v3/order", "GET", "4xx", -1022),
                ("/api/v3/order", "GET", "none", 0),
                ("/api/v3/order", "GET", "none", 0),
            ]

    caplog.set_level(0)
    run(scenario())
