"""Metrics: what is exported, in which form, and that a scrape waits for nobody."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from realtrading.runtime.exporter import Family, Histogram, MetricsServer, new_registry
from realtrading.runtime.house import House
from realtrading.runtime.snapshot import actor_families
from villains import Books, CrashesOnPoison, Job, Listens, Recorder, row, villain_house
from waiting import wait_until

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Serve = Callable[..., MetricsServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers on free ports and closes them; closing leaves no thread."""
    before = set(threading.enumerate())
    servers: list[MetricsServer] = []

    def start(
        families: Callable[[], list[Family]] = list,
        health: Callable[[], tuple[bool, dict[str, Any]]] = lambda: (True, {}),
    ) -> MetricsServer:
        servers.append(MetricsServer("127.0.0.1:0", new_registry(families), health))
        return servers[-1]

    yield start
    assert all(server.close() for server in servers)
    assert set(threading.enumerate()) <= before


def get(server: MetricsServer, path: str, accept: str = "*/*") -> tuple[int, str, str]:
    """Status, content type and body."""
    connection = http.client.HTTPConnection(*server.address, timeout=5)
    try:
        connection.request("GET", path, headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.read().decode()
    finally:
        connection.close()


def samples(body: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """(sample name, sorted labels) -> value."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse_text(body)
        for sample in family.samples
    }


def test_every_kind_of_family_is_exported_in_both_formats(serve: Serve) -> None:
    """Counter, gauge, histogram, info and state set, with their values, as text and as OpenMetrics."""
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 3.0):
        histogram.observe(value)
    families = [
        Family("t_done_total", "counter", "Done.", [({"who": "a"}, 3), ({"who": 'b"\n'}, 0)]),
        Family("t_size_bytes", "gauge", "Size.", [({}, 1.5)]),
        Family("t_wait_seconds", "histogram", "Wait.", [({"who": "a"}, histogram.value())]),
        Family("t_build_info", "info", "Build.", [({"version": "1"}, None)]),
        Family("t_state", "stateset", "State.", [({}, {"up": True, "down": False})]),
        Family("t_none_total", "counter", "Nothing yet."),
    ]
    server = serve(lambda: families)
    status, kind, body = get(server, "/metrics")
    found = samples(body)
    who = (("who", "a"),)
    assert (status, kind.startswith("text/plain")) == (200, True)
    assert found["t_done_total", who] == 3
    assert found["t_done_total", (("who", 'b"\n'),)] == 0
    assert found["t_size_bytes", ()] == 1.5
    buckets = [found["t_wait_seconds_bucket", (("le", edge), *who)] for edge in ("0.1", "1.0", "+Inf")]
    assert buckets == [2, 3, 4]
    assert found["t_wait_seconds_sum", who] == pytest.approx(3.65)
    assert found["t_build_info", (("version", "1"),)] == 1
    assert (found["t_state", (("t_state", "up"),)], found["t_state", (("t_state", "down"),)]) == (1, 0)
    assert "# TYPE t_none_total counter" in body
    assert "_created" not in body
    status, kind, body = get(server, "/metrics", OPENMETRICS)
    assert (status, kind.startswith("application/openmetrics-text")) == (200, True)
    names = {family.name for family in parse_openmetrics(body)}
    assert {"t_done", "t_size_bytes", "t_wait_seconds", "t_build", "t_state", "process_cpu_seconds"} <= names


def test_process_platform_and_collector_metrics_belong_to_each_engine(serve: Serve) -> None:
    """Two engines in one process have a registry each, with all of process_*, python_info and python_gc_*."""
    one, other = serve(lambda: [Family("t_one", "gauge", "1", [({}, 1)])]), serve()
    for server in (one, other):
        names = {name for name, _ in samples(get(server, "/metrics")[2])}
        assert {"process_resident_memory_bytes", "python_info", "python_gc_collections_total"} <= names
        assert ("t_one" in names) == (server is one)


class TestActors:
    """The machinery's own metrics."""

    def scrape(self, server: MetricsServer) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        return samples(get(server, "/metrics")[2])

    @staticmethod
    def families(house: House) -> Callable[[], list[Family]]:
        return lambda: actor_families(house.snapshot())

    def test_label_sets_are_there_before_anything_happens(self, serve: Serve) -> None:
        """Restart causes, durations by message, waits and escalations are exported at zero at the start."""
        house = villain_house(row("books", Books), row("ear", Listens), seed=1)
        house.start()
        found = self.scrape(serve(self.families(house)))
        books = ("actor", "books")
        for cause in ("crash", "hang", "requested"):
            assert found["realtrading_actor_restarts_total", (books, ("cause", cause))] == 0
        for exception in ("Hang", "HouseError", "ThreadDied"):
            assert found["realtrading_actor_failures_total", (books, ("exception", exception))] == 0
        assert found["realtrading_actor_message_duration_seconds_count", (books, ("message", "Job"))] == 0
        assert found["realtrading_actor_mailbox_wait_seconds_count", (books,)] == 0
        assert found["realtrading_supervisor_escalations_total", (books,)] == 0
        assert found["realtrading_actor_expected", (books,)] == 1
        assert found["realtrading_actor_alive", (books,)] == 1

    def test_letters_crashes_and_restarts_are_counted(self, serve: Serve) -> None:
        """Three letters, one of them poison: two handled, two failures, two restarts, none waiting, all timed."""
        house = villain_house(row("books", CrashesOnPoison), row("ear", Listens), recorder=Recorder(), seed=1)
        house.start()
        for number in range(3):
            house.post(Job(number, poison=number == 1))
        house.run_until_idle()
        found = self.scrape(serve(self.families(house)))
        books = ("actor", "books")
        assert found["realtrading_actor_failures_total", (books, ("exception", "RuntimeError"))] == 2
        assert found["realtrading_actor_restarts_total", (books, ("cause", "crash"))] == 2
        assert found["realtrading_actor_letters_set_aside_total", (books,)] == 1
        assert found["realtrading_actor_mailbox_messages", (books,)] == 0
        assert found["realtrading_actor_message_duration_seconds_count", (books, ("message", "Job"))] == 2
        assert found["realtrading_actor_mailbox_wait_seconds_count", (("actor", "ear"),)] == 2

    def test_a_scrape_while_an_actor_hangs_answers_within_a_tenth_of_a_second(self, serve: Serve) -> None:
        """Also the health page; the hanging actor's heartbeat stands still while its neighbour's moves."""
        gate = threading.Event()

        class Hangs(Books):
            def handle(self, message: Any, now: Any) -> Any:
                gate.wait(30)
                return super().handle(message, now)

        house = villain_house(row("books", Hangs, hang_s=60.0), row("ear", Listens, "own:ear"))
        house.start()
        server = serve(self.families(house), house.health)
        get(server, "/metrics")
        house.post(Job(1))
        house.post(Job(2))
        wait_until(lambda: house.mailbox("books").busy_since_mono is not None, 5, "it hangs")
        took = []
        for _ in range(5):
            began = time.monotonic()
            found = self.scrape(server)
            assert get(server, "/healthz")[0] == 200  # within its limit it is not yet overdue
            took.append(time.monotonic() - began)
        assert min(took) < 0.1
        beat = "realtrading_actor_heartbeat_timestamp_seconds"
        assert found["realtrading_actor_mailbox_messages", (("actor", "books"),)] == 2
        assert found[beat, (("actor", "books"),)] < found[beat, (("actor", "ear"),)]
        gate.set()
        assert house.settled(5)
        assert house.stop()


def test_health_and_readiness_are_what_the_owner_says(serve: Serve) -> None:
    """healthz follows health; readyz also wants "ready"; both tell the particulars as JSON; other paths are 404."""
    state: list[tuple[bool, dict[str, Any]]] = [(True, {"ready": False, "down": []})]
    server = serve(health=lambda: state[0])
    assert [get(server, path)[0] for path in ("/healthz", "/readyz", "/nothing")] == [200, 503, 404]
    state[0] = (True, {"ready": True})
    assert [get(server, path)[0] for path in ("/healthz", "/readyz")] == [200, 200]
    state[0] = (False, {"ready": True, "down": ["books"]})
    assert [get(server, path)[0] for path in ("/healthz", "/readyz")] == [503, 503]
    assert json.loads(get(server, "/healthz")[2]) == {"healthy": False, "ready": True, "down": ["books"]}


def test_an_occupied_port_is_an_error_at_construction(serve: Serve) -> None:
    """OSError, and no thread is started."""
    host, port = serve().address
    threads = threading.active_count()
    with pytest.raises(OSError, match="in use"):
        MetricsServer(f"{host}:{port}", CollectorRegistry(), lambda: (True, {}))
    assert threading.active_count() == threads


@pytest.mark.parametrize("listen", ["", "17880", "127.0.0.1:", "127.0.0.1:http", ":17880"])
def test_an_address_that_is_none_is_refused(listen: str) -> None:
    """host:port, both given."""
    with pytest.raises(ValueError, match="host:port"):
        MetricsServer(listen, CollectorRegistry(), lambda: (True, {}))


def test_silent_clients_neither_block_scrapes_nor_closing(serve: Serve) -> None:
    """Ten connections that say nothing: a scrape still gets through, closing cuts them, the port is free again."""
    server = serve()
    silent = [socket.create_connection(server.address, timeout=5) for _ in range(10)]
    assert get(server, "/metrics")[0] == 200
    began = time.monotonic()
    assert server.close()
    assert time.monotonic() - began < 2.0
    for connection in silent:
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.address, timeout=1)
