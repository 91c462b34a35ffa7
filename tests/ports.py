"""Free ports on the loopback for programs that cannot be told to pick one themselves."""

import os
import random
import socket

# below the range from which the kernel takes outgoing connections' ports, so that none of those can come between
_FIRST, _LAST = 20_000, 32_000
_WORKERS = 8

_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now and no other test worker is given."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _WORKERS
    candidates = [port for port in range(_FIRST + worker, _LAST, _WORKERS) if port not in _given]
    # by pid, so that another run on this machine looks elsewhere first
    random.Random(os.getpid() + len(_given)).shuffle(candidates)
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise AssertionError("no free port left on 127.0.0.1")
