"""Defects put into the house at run time, by name: each must be found by the simulation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

BREAKS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {}


@contextmanager
def broken(name: str | None) -> Iterator[None]:
    """While it lasts the house has this defect; none with None."""
    with pytest.MonkeyPatch.context() as patch:
        if name is not None:
            BREAKS[name](patch)
        yield
