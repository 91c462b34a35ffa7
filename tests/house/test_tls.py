"""TLS as the daemon really does it: a good certificate is trusted by its issuer, every other one is refused."""

import re
import signal
import ssl
import subprocess
from pathlib import Path

import attrs
import pytest

from house.kit import KEY, ROOT, SECRET, Judge, dripper, write_config
from house.proxy import Proxy
from matrix.evidence import judged
from processes import Processes, Running
from realtrading.domain.settings import VenueUrls
from waiting import wait_until

ADDRESS = "IP:127.0.0.1"
WHY = {
    "expired": "certificate has expired",
    "wrong name": "IP address mismatch",
    "unknown issuer": "unable to get local issuer certificate",
    "TLS 1.1": "protocol version",
}
"""What the daemon's one sentence names."""


def openssl(*arguments: str, folder: Path) -> None:
    """Run openssl; its complaint is the failure's text."""
    run = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


class Authority:
    """A throw-away certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.certificate = folder / f"{name}.pem"
        new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650")
        new += ("-addext", "keyUsage=critical,keyCertSign,cRLSign")  # strict since CPython 3.13
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem", folder=folder)

    def server(self, name: str, *, says: str = ADDRESS, days: int = 365) -> ssl.SSLContext:
        """A server that shows a certificate for this address; `days` below zero: it has expired."""
        new = ("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=exchange")
        openssl(*new, "-keyout", f"{name}.key", "-out", f"{name}.csr", folder=self.folder)
        extensions = (f"subjectAltName={says}", "authorityKeyIdentifier=keyid", "subjectKeyIdentifier=hash")
        (self.folder / f"{name}.ext").write_text("\n".join((*extensions, "")))
        by = ("-CA", f"{self.name}.pem", "-CAkey", f"{self.name}.key", "-CAcreateserial", "-days", str(days))
        openssl("x509", "-req", "-in", f"{name}.csr", *by, "-extfile", f"{name}.ext", "-out", f"{name}.pem", folder=self.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The issuer that the daemon is told to trust."""
    return Authority(tmp_path_factory.mktemp("ca"), "trusted")


@attrs.frozen
class Secured:
    """The simulator's addresses behind one TLS proxy each."""

    proxies: tuple[Proxy, Proxy, Proxy]
    urls: VenueUrls

    def show(self, context: ssl.SSLContext) -> None:
        """From now on new connections are met with this."""
        for each in self.proxies:
            each.tls = context
            each.cut()

    def close(self) -> None:
        for each in self.proxies:
            each.close()


def secured(judge: Judge, context: ssl.SSLContext) -> Secured:
    """REST, WebSocket API and market stream over TLS."""
    plain = (judge.urls.rest_url, judge.urls.ws_api_url, judge.urls.stream_url)
    rest, ws_api, stream = (Proxy(url, tls=context) for url in plain)
    urls = VenueUrls(rest_url=rest.url(plain[0]), ws_api_url=ws_api.url(plain[1]), stream_url=stream.url(plain[2]))
    return Secured((rest, ws_api, stream), urls)


def daemon(processes: Processes, judge: Judge, at: Secured, authority: Authority, prefix: str) -> Running:
    """A trading daemon that knows the exchange by its TLS addresses and trusts this issuer only."""
    path = write_config(processes.folder, judge, strategies=(dripper(),), prefix=prefix)
    text = path.read_text()
    for key in ("rest_url", "ws_api_url", "stream_url"):
        text = re.sub(rf'{key} = ".*"', f'{key} = "{getattr(at.urls, key)}"', text)
    path.write_text(text)
    env = {"SSL_CERT_FILE": str(authority.certificate), "SSL_CERT_DIR": str(authority.folder / "nothing")}
    return processes.python("-m", "realtrading", "run", "--config", str(path), cwd=ROOT, env=env)


def contexts(authority: Authority) -> dict[str, ssl.SSLContext]:
    """Servers that must not be believed."""
    old = authority.server("old")
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    return {
        "expired": authority.server("expired", days=-1),
        "wrong name": authority.server("elsewhere", says="DNS:api.example"),
        "unknown issuer": Authority(authority.folder, "stranger").server("unknown"),
        "TLS 1.1": old,
    }


@pytest.mark.matrix("C12", invariants="G15")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_an_exchange_that_cannot_prove_itself_gets_no_byte(
    judge: Judge, processes: Processes, authority: Authority
) -> None:
    """Expired, made out to another name, from an unknown issuer, only old TLS: exit 75 with one sentence at the start, no
    request and no key on the wire."""
    for number, (what, context) in enumerate(contexts(authority).items()):
        at = secured(judge, context)
        seen = judge.call("requests")["seq"]
        started = daemon(processes, judge, at, authority, f"t{chr(97 + number)}")
        assert started.wait(30) == 75, (what, str(started))
        assert any(WHY[what] in line for line in started.err), (what, str(started))
        processes.forget(started)
        at.close()
        with judged("G15"):
            assert [] == [each for proxy in at.proxies for each in proxy.saw], what
            assert [] == judge.requests(since=seen), what
            assert not any(secret in line for secret in (KEY, SECRET, "signature=") for line in started.err)
        assert not any("Traceback" in line for line in started.err), str(started)
        assert len([line for line in started.err if line.startswith("realtrading:")]) <= 2, str(started)


@pytest.mark.matrix("C12", invariants="G10 G13 G15")
def test_an_exchange_whose_certificate_goes_bad_is_left_until_it_is_good_again(
    judge: Judge, processes: Processes, authority: Authority
) -> None:
    """Trading over TLS; then every connection is cut and the certificate has expired: nothing reaches the exchange any
    more. With a good one again the daemon connects by itself and trades on."""
    good = authority.server("good")
    at = secured(judge, good)
    started = daemon(processes, judge, at, authority, "tg")
    started.wait_for_line("ready, run", 30)

    def placed(since: int = 0) -> int:
        return sum(each["client_order_id"].startswith("tg_") for each in judge.requests(since, "place"))

    wait_until(placed, 15, "it trades over TLS")
    at.show(authority.server("late", days=-1))
    wait_until(lambda: refused_by(at) > 3, 15, "it tries again, and leaves")
    seen = judge.call("requests")["seq"]
    with judged("G10"):
        refused = refused_by(at)
        wait_until(lambda: refused_by(at) > refused + 2, 15, "and again")
        assert [] == judge.requests(since=seen)
    at.show(good)
    with judged("G13"):
        wait_until(lambda: placed(seen), 30, "it trades again")
    started.send(signal.SIGTERM)
    assert started.wait(25) == 0, str(started)
    at.close()
    with judged("G15"):
        assert not any(secret in line for secret in (KEY, SECRET, "signature=") for line in started.err)


def refused_by(at: Secured) -> int:
    """How many handshakes clients broke off."""
    return sum(proxy.handshakes_failed for proxy in at.proxies)
