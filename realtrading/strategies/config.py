"""A strategy's own config: the table of the settings file, read into the attrs class its author wrote for it."""
from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from realtrading.domain.values import BadAmount, amount
from realtrading.errors import BadInput

from .base import Strategy
from .failures import file_of, place_and_words

EXIT_CODE = 4
WORDS = {
    Decimal: "an exact number such as 0.5",
    int: "a whole number",
    bool: "true or false",
    str: "a text",
    float: "a number",
}


class Unfit(Exception):
    """A value is not what its field takes; `str()` says what it takes."""


def read_config(kind: type[Strategy], given: Mapping[str, Any], section: str) -> Any:
    """`given` as a value of `kind.Config`, or None when the strategy has no settings.

    Raises `BadInput` (exit code 4) with one line for each mistake, naming `section` and key.
    """
    config = kind.Config
    if config is None:
        if given:
            raise _bad([f"[{section}] {', '.join(given)}: {kind.__name__} takes no config"])
        return None
    if not attrs.has(config):
        raise _bad([f"[{section}]: {kind.__name__}.Config is not an attrs class"])
    try:
        fields = {field.alias: field for field in attrs.fields(attrs.resolve_types(config)) if field.init}
    except Exception as failure:
        raise _bad([f"[{section}]: {kind.__name__}.Config: {place_and_words(failure, file_of(kind))}"]) from None
    values, mistakes = _read(fields, given, section)
    if mistakes:
        raise _bad(mistakes)
    try:
        return config(**values)
    except Exception as refusal:  # the author's own validator says no
        raise _bad([f"[{section}]: {' '.join(str(refusal).split()) or type(refusal).__name__}"]) from None


def _read(
    fields: Mapping[str, attrs.Attribute[Any]], given: Mapping[str, Any], section: str
) -> tuple[dict[str, Any], list[str]]:
    values, mistakes = {}, []
    for key, raw in given.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, 1)
            meant = f", perhaps {near[0]} is meant" if near else ""
            mistakes.append(f"[{section}] {key}: unknown key{meant} (allowed: {', '.join(fields) or 'none'})")
            continue
        try:
            values[key] = _fit(fields[key].type, raw)
        except Unfit as wanted:
            mistakes.append(f"[{section}] {key}: {_shown(raw)} (allowed: {wanted})")
    for key, field in fields.items():
        if field.default is attrs.NOTHING and key not in given:
            mistakes.append(f"[{section}] {key}: missing (needed: {WORDS.get(field.type or str, 'a value')})")
    return values, mistakes


def _fit(wanted: Any, raw: Any) -> Any:
    """`raw`, as TOML gives it, as a value of the field's type; `Unfit` when it is none."""
    if typing.get_origin(wanted) in (typing.Union, types.UnionType):
        choices = [choice for choice in typing.get_args(wanted) if choice is not type(None)]
        return _fit(choices[0], raw) if len(choices) == 1 else raw
    if typing.get_origin(wanted) in (tuple, list):
        return _fit_many(wanted, raw)
    if wanted is Decimal:
        return _number(raw)
    if wanted is float and isinstance(raw, (int, float, Decimal)) and not isinstance(raw, bool):
        return float(raw)
    if wanted is int and isinstance(raw, bool):
        raise Unfit(WORDS[int])
    if wanted in WORDS and not isinstance(raw, wanted):
        raise Unfit(WORDS[wanted])
    return raw


def _fit_many(wanted: Any, raw: Any) -> Any:
    origin, inner = typing.get_origin(wanted), (*typing.get_args(wanted), Any)[0]
    if not isinstance(raw, (list, tuple)):
        raise Unfit(f"a list of {WORDS.get(inner, 'values')}")
    return origin(_fit(inner, each) for each in raw)


def _number(raw: Any) -> Decimal:
    if isinstance(raw, float):  # inexact before anybody could help it: only a program can give one, no file does
        raise Unfit(f"{WORDS[Decimal]}, not a float")
    try:
        return amount(raw)
    except BadAmount:
        raise Unfit(WORDS[Decimal]) from None


def _shown(raw: Any) -> str:
    return str(raw) if isinstance(raw, (Decimal, int)) and not isinstance(raw, bool) else repr(raw)


def _bad(lines: list[str]) -> BadInput:
    return BadInput("\n".join(lines), exit_code=EXIT_CODE)
