"""How numbers become families of the catalogue: names and labels come from there and from nowhere else."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from realtrading.runtime.metrics import Family, Histogram

from .catalog import BY_NAME

Labels = tuple[str, ...]


def family(name: str, values: Mapping[Any, Any]) -> Family:
    """One family; label values stand in the catalogue's order. Raises KeyError for a name that is not in it."""
    metric = BY_NAME[name]
    samples = [(dict(zip(metric.labels, labels, strict=True)), value) for labels, value in values.items()]
    return Family(metric.full_name, metric.kind, metric.help, samples)


def single(name: str, value: Any) -> Family:
    """A family without labels; no sample while the value is None."""
    return family(name, {} if value is None else {(): value})


def moment(name: str, at: datetime | None) -> Family:
    """A time in seconds since 1970; no sample before there was one."""
    return single(name, None if at is None else at.timestamp())


def counted(known: Iterable[Labels], counts: Mapping[Any, Any]) -> dict[Labels, Any]:
    """Counts with every label set that is known beforehand at 0: an increase from nothing would be missed."""
    return {**dict.fromkeys(known, 0), **dict(counts)}


def observed(histograms: Mapping[Labels, Histogram]) -> dict[Labels, Any]:
    """Histograms at this moment."""
    return {labels: histogram.value() for labels, histogram in dict(histograms).items()}
