"""Prometheus: translates plain families into an exposition and serves it. The only importer of prometheus_client."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from realtrading.runtime.metrics import Family, Histogram, HistogramValue

__all__ = ["Family", "Histogram", "HistogramValue", "MetricsServer", "new_registry"]

REQUEST_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 16
POLL_S = 0.05


def _texts(labels: Any) -> dict[str, str]:
    return {name: str(value) for name, value in labels.items()}


def _translate(family: Family) -> Metric:
    """One family as prometheus_client knows it. A sample's labels must be the same names throughout."""
    names = list(family.samples[0][0]) if family.samples else []
    if family.kind == "info":
        info = InfoMetricFamily(family.name.removesuffix("_info"), family.help)
        for labels, _ in family.samples:
            info.add_metric([], _texts(labels))
        return info
    if family.kind == "stateset":
        states = StateSetMetricFamily(family.name, family.help, labels=names)
        for labels, value in family.samples:
            states.add_metric(list(_texts(labels).values()), value)
        return states
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=names)
        for labels, value in family.samples:
            edges = [*(str(edge) for edge in value.edges), "+Inf"]
            histogram.add_metric(
                [str(labels[name]) for name in names],
                buckets=list(zip(edges, value.counts, strict=True)),
                sum_value=value.sum,
            )
        return histogram
    simple = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = simple(family.name, family.help, labels=names)
    for labels, value in family.samples:
        metric.add_metric([str(labels[name]) for name in names], float(value))
    return metric


class _Families(Collector):
    """Asks for the families at each scrape."""

    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        self._families = families

    def describe(self) -> Iterable[Metric]:
        return ()  # otherwise the registry would collect once at registration

    def collect(self) -> Iterator[Metric]:
        for family in self._families():
            yield _translate(family)


def new_registry(families: Callable[[], Iterable[Family]]) -> CollectorRegistry:
    """One registry for one engine: process, platform, garbage collector, and `families()` read anew at each scrape.

    `families` must only read committed values: a scrape waits for nobody.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(_Families(families))
    return registry


class MetricsServer:
    """Serves `/metrics`, `/healthz` and `/readyz` on its own daemon threads.

    `listen` is "host:port" ("[::1]:port" for IPv6; port 0 takes a free one). `health()` gives (healthy, particulars):
    `/healthz` answers 200 or 503 by it, `/readyz` is 200 only if healthy and the particulars' "ready" is not false.
    Raises OSError at construction if the address cannot be had, ValueError if `listen` is no address.
    """

    def __init__(self, listen: str, registry: CollectorRegistry, health: Callable[[], tuple[bool, dict[str, Any]]]) -> None:
        host, colon, port = listen.rpartition(":")
        if not colon or not host or not port.isdecimal():
            raise ValueError(f"{listen!r} is not host:port")
        self._server = _Server(host.strip("[]"), int(port), registry, health)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,), name="metrics-server", daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port really bound."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Stop listening, cut what is still connected; True if every thread is gone in time. May be repeated."""
        self._server.shutdown()
        self._server.server_close()
        gone = self._server.cut(timeout_s)
        self._thread.join(timeout_s)
        return gone and not self._thread.is_alive()


class _Server(ThreadingMixIn, TCPServer):
    allow_reuse_address = True
    request_queue_size = 64
    daemon_threads = True
    block_on_close = False

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, health: Callable[[], tuple[bool, dict[str, Any]]]
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.registry = registry
        self.health = health
        self._open: dict[threading.Thread, socket.socket] = {}
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection on a thread of its own; more than a few at once are cut, so nobody can hoard threads."""
        if len(self._open) >= CONNECTIONS_MAX:
            self.shutdown_request(request)
            return
        thread = threading.Thread(target=self._serve, args=(request, client_address), name="metrics-request", daemon=True)
        self._open[thread] = request
        thread.start()

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            self._open.pop(threading.current_thread(), None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""

    def cut(self, timeout_s: float) -> bool:
        """End the connections that are left and wait for their threads."""
        left = self._open.copy()
        for connection in left.values():
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in left:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in left)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_TIMEOUT_S

    def do_GET(self) -> None:
        """Answer one of the three paths."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, content_type, encode(self.server.registry))
        elif path in ("/healthz", "/readyz"):
            healthy, particulars = self.server.health()
            good = healthy and (path == "/healthz" or particulars.get("ready", True) is not False)
            body = json.dumps({"healthy": healthy, **particulars}, default=str).encode()
            self._answer(HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, "application/json", body)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"not here\n")

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not worth a line each."""
