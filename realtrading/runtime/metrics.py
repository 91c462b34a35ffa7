"""Numbers the machinery counts, as plain values: nothing here knows Prometheus, `exporter.py` translates."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

INSIDE_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0)
"""Bucket edges, in seconds, for what happens inside the process."""

Kind = Literal["counter", "gauge", "histogram", "info", "stateset"]


@attrs.frozen
class HistogramValue:
    """A histogram at one moment: upper edges, cumulative counts (one more than edges: the last is everything), sum."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        """How many observations there were."""
        return self.counts[-1]


class Histogram:
    """Counts observations in buckets. One writer at a time (whoever serves the mailbox), any number of readers."""

    __slots__ = ("_counts", "_edges", "_sum")

    def __init__(self, edges: Sequence[float] = INSIDE_BUCKETS_S) -> None:
        self._edges = tuple(edges)
        self._counts = [0] * (len(self._edges) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one observation; a value on an edge belongs to the bucket it closes."""
        self._counts[bisect_left(self._edges, value)] += 1
        self._sum += value

    def value(self) -> HistogramValue:
        """The cumulative picture now."""
        total = 0
        cumulative = []
        for count in self._counts.copy():
            total += count
            cumulative.append(total)
        return HistogramValue(self._edges, tuple(cumulative), self._sum)


@attrs.frozen
class Family:
    """One metric with all its samples.

    `name` is the full exported name (counters end in `_total`, infos in `_info`). A sample is (labels, value):
    a number for counters and gauges, a `HistogramValue` for histograms, ignored for infos, a mapping state -> bool
    for state sets.
    """

    name: str
    kind: Kind
    help: str
    samples: Sequence[tuple[Mapping[str, str], Any]] = ()
