"""What stands between us and the exchange tears requests and answers, lies, redirects, or cannot be found by name."""

import socket
import threading
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from house import proxy
from house.fault_kit import PATIENT, Stand, Stands
from house.kit import KEY, Judge
from house.proxy import Proxy, says
from matrix.evidence import judged
from realtrading.domain import order_absence
from realtrading.domain.orders import OrderState
from realtrading.domain.reasons import Reason
from realtrading.domain.settings import VenueUrls
from waiting import wait_until

HTML = b"<html><body>Access denied by the firewall</body></html>"
NEVER = threading.Event()


@pytest.fixture
def between(judge: Judge) -> Iterator[Proxy]:
    """A proxy before the simulator's REST."""
    made = Proxy(judge.ready["rest_url"])
    yield made
    made.close()


def through(judge: Judge, proxy_: Proxy, host: str = "127.0.0.1") -> VenueUrls:
    """The simulator's addresses, REST through the proxy, by this name of the host."""
    rest = proxy_.url(judge.urls.rest_url).replace("127.0.0.1", host)
    return attrs.evolve(judge.urls, rest_url=rest)


FOUND = {
    "reset after the request": proxy.reset_after,
    "half an answer": proxy.half_answer,
    "200, gzip garbage": says("200 OK", "Content-Encoding: gzip\r\n", b"\x1f\x8bno", forwards=True),
    "200, a page": says("200 OK", "Content-Type: text/html\r\n", HTML, forwards=True),
    "200, empty": says("200 OK", forwards=True),
    "403, a page": says("403 Forbidden", "Content-Type: text/html\r\n", HTML, forwards=True),
    "no HTTP at all": says("999999 \x00", forwards=True),
}


@pytest.mark.matrix("C4", invariants="G1 G3")
@pytest.mark.matrix("C9", invariants="G1 G16")
def test_what_was_forwarded_is_unknown_and_found(judge: Judge, between: Proxy, stand_at: Stands) -> None:
    """The request went through, the answer did not, or is no answer: unknown, asked about, found, sent once."""
    stand = stand_at(venue=through(judge, between))
    stand.mute()
    tickets = []
    for what, toxic in FOUND.items():
        between.script.append(toxic)
        ticket = stand.buy()
        stand.until(ticket, OrderState.FILLED, deadline_s=5)
        assert stand.was_unknown(ticket), what
        tickets.append(ticket)
    assert stand.healed(fired=False).clean
    assert len(stand.asked("place")) == len(FOUND)


@pytest.mark.matrix("C4", invariants="G1 G3")
def test_requests_and_answers_in_pieces_of_one_byte_are_whole(judge: Judge, between: Proxy, stand_at: Stands) -> None:
    """Slow, and otherwise like any other: never in doubt."""
    stand = stand_at(venue=through(judge, between))
    between.script.append(proxy.byte_by_byte)
    ticket = stand.buy()
    stand.until(ticket, OrderState.FILLED)
    assert not between.script
    assert not stand.was_unknown(ticket)
    assert stand.healed(fired=False).clean


@pytest.mark.matrix("C4", invariants="G1")
@pytest.mark.matrix("C13", invariants="G1 G13")
def test_what_never_left_is_refused_at_once(judge: Judge, between: Proxy, stand_at: Stands) -> None:
    """Nobody listens at the address: never reached, so certainly not alive, and the house goes on when somebody does."""
    stand = stand_at(venue=through(judge, between))
    stand.trades_on()
    between.close()
    for _ in range(2):
        ticket = stand.buy()
        order = ticket.wait(5)
        assert order is not None
        assert order.reason == Reason.VENUE_NOT_REACHED, ticket.detail
        assert not stand.was_unknown(ticket)
    assert len(stand.asked("place")) == 1
    with judged("G1"):
        assert [1] == list(stand.place_requests().values())
    with judged("G13"):
        assert stand.engine.failure is None
        assert not [order for order in stand.engine.orders.values() if order.state is OrderState.UNKNOWN]


@pytest.mark.matrix("C4", invariants="G1 G3")
@pytest.mark.matrix("C11", invariants="G1 G15")
def test_what_was_torn_or_sent_elsewhere_is_absent_and_never_followed(
    judge: Judge, between: Proxy, stand_at: Stands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reset before or within the request, and every kind of redirect, to the same host and to another one: nobody knows,
    so nothing is sent again; neither key nor order ever comes to the other host; all are proved absent."""
    monkeypatch.setattr(order_absence, "ABSENCE_MARGIN_S", 1)  # how long the proof takes is another test's matter
    trap = Proxy(judge.ready["rest_url"])
    stand = stand_at(venue=through(judge, between))
    elsewhere = f"http://127.0.0.1:{trap.port}/api/v3/order"
    toxics = [proxy.reset_before, proxy.reset_mid]
    for status in ("301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"):
        toxics.append(says(status, f"Location: {elsewhere}\r\n"))
    toxics.append(says("307 Temporary Redirect", f"Location: {elsewhere.replace('http:', 'https:')}\r\n"))
    toxics.append(says("307 Temporary Redirect", "Location: /api/v3/order?again=1\r\n"))
    tickets = []
    for toxic in toxics:
        between.script.append(toxic)
        ticket = stand.buy()
        stand.until(ticket, OrderState.UNKNOWN)
        tickets.append(ticket)
    assert all(stand.until(ticket, OrderState.REJECTED, deadline_s=60).reason == Reason.VENUE_ABSENT for ticket in tickets)
    trap.close()
    with judged("G15"):
        assert trap.saw == []
        assert not [each for each in between.saw if b"again=1" in each]
    assert all(KEY.encode() in each for each in between.saw if each.startswith(b"POST")), "the proxy does see keys"
    assert stand.healed(fired=False).clean
    assert stand.asked("place") == []


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `localhost` resolves to: set `does` to a function. Nothing is cached."""
    chosen: dict[str, Any] = {"does": None}
    usual = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "localhost" and chosen["does"] is not None:
            return chosen["does"](host, *args, **kwargs)
        return usual("127.0.0.1" if host == "localhost" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr("aiohttp.connector._DNSCacheTable.expired", lambda self, key: True)
    chosen["usual"] = usual
    return chosen


def unresolved(stand: Stand, between: Proxy, resolver: dict[str, Any], does: Any) -> None:
    """An order while names resolve to nothing: refused as never reached; resolved again, the next one goes through."""
    resolver["does"] = does
    between.cut()
    ticket = stand.buy()
    order = ticket.wait(15)
    assert order is not None
    assert order.reason == Reason.VENUE_NOT_REACHED, ticket.detail
    resolver["does"] = None
    wait_until(lambda: stand.engine.is_ready, 15, "open again")
    stand.trades_on()


@pytest.mark.matrix("C13", invariants="G1 G13")
def test_names_that_do_not_resolve_never_reached_anybody(
    judge: Judge, between: Proxy, resolver: dict[str, Any], stand_at: Stands
) -> None:
    """No answer of the name service, a wrong address, one that takes too long: refused for sure, and over when it is."""

    def fails(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    def is_wrong(host: str, *args: Any, **kwargs: Any) -> Any:
        return resolver["usual"]("127.9.9.9", *args, **kwargs)

    def is_slow(host: str, *args: Any, **kwargs: Any) -> Any:
        NEVER.wait(9)  # longer than a connection may take
        return resolver["usual"]("127.0.0.1", *args, **kwargs)

    stand = stand_at(venue=through(judge, between, "localhost"))
    stand.trades_on()
    for does in (fails, is_wrong, is_slow):
        unresolved(stand, between, resolver, does)
    assert len(stand.asked("place")) == 4
    assert stand.healed(fired=False).clean


@pytest.mark.matrix("C13", invariants="G10 G13")
def test_a_name_service_that_is_long_away_shuts_the_door(
    judge: Judge, between: Proxy, resolver: dict[str, Any], stand_at: Stands
) -> None:
    """Three orders in a row that reached nobody are three errors: the breaker opens and nothing more is tried."""
    limits = attrs.evolve(PATIENT, circuit_breaker_errors=3, circuit_breaker_cooldown_secs=1)
    stand = stand_at(venue=through(judge, between, "localhost"), limits=limits)

    def fails(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    resolver["does"] = fails
    between.cut()
    for _ in range(3):
        assert stand.buy().wait(10) is not None
    wait_until(lambda: "ERRORS" in stand.now_open(), 5, "the breaker is open")
    blocked = stand.buy()
    assert blocked.wait(5) is not None
    assert blocked.detail.startswith(str(Reason.BREAKER_ERRORS))
    resolver["does"] = None
    wait_until(lambda: stand.engine.circuit_breaker.half_open, 5, "the cooldown is over")
    stand.trades_on()
    assert stand.healed(fired=False).clean

