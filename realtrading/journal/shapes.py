"""Turns a type hint into a pair of strict functions: value -> JSON builtins, and back, exactly.

Every type the domain keeps has one spelling: Decimal as plain decimal text with its exponent kept, moments as UTC ISO
text, enums by value, sets sorted. What is not of the hinted type is refused in both directions, so nothing can enter
that could not come back.
"""

from __future__ import annotations

import enum
import functools
import operator
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from realtrading.journal.leaves import LEAVES, Misfit, Shape, exactly, short


@functools.cache
def shape_of(hint: Any) -> Shape:
    """The shape of a type hint. Raises TypeError at import time for a hint that has no exact spelling."""
    leaf = LEAVES.get(hint)
    if leaf is not None:
        return leaf
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _enum(hint)
    if isinstance(hint, type) and attrs.has(hint):
        return record_shape(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType or origin is typing.Union:
        return _union(arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _row(shape_of(arguments[0]))
    if origin is tuple:
        return _fixed(tuple(shape_of(argument) for argument in arguments))
    if origin is frozenset:
        return _set(shape_of(arguments[0]))
    if origin in (Mapping, dict) and arguments[0] is str:
        return _mapping(shape_of(arguments[1]))
    raise TypeError(f"the journal has no exact spelling for {hint!r}")


def _enum(kind: type[enum.Enum]) -> Shape:
    members = {member.value: member for member in kind}

    def encode(value: Any) -> Any:
        if type(value) is not kind:
            raise Misfit(f"{short(value)} is not a {kind.__name__}")
        return value.value

    def decode(value: Any) -> Any:
        try:
            return members[value]
        except (KeyError, TypeError):
            raise Misfit(f"{short(value)} is not a {kind.__name__} this version knows") from None

    return Shape(encode, decode)


def _union(arguments: tuple[Any, ...]) -> Shape:
    """`X | None`, and the venue's open lists `SomeEnum | str`: a member when the text is one."""
    inner = tuple(argument for argument in arguments if argument is not type(None))
    if len(inner) == len(arguments):
        return _open_enum(*inner)
    shape = shape_of(typing.Union[inner])  # noqa: UP007 - built from parts

    def encode(value: Any) -> Any:
        return None if value is None else shape.encode(value)

    def decode(value: Any) -> Any:
        return None if value is None else shape.decode(value)

    return Shape(encode, decode)


def _open_enum(*arguments: Any) -> Shape:
    kinds = [argument for argument in arguments if argument is not str]
    if len(kinds) != 1 or len(arguments) != 2 or not (isinstance(kinds[0], type) and issubclass(kinds[0], enum.StrEnum)):
        raise TypeError(f"the journal has no exact spelling for a union of {arguments}")
    kind = kinds[0]
    members = {member.value: member for member in kind}

    def encode(value: Any) -> str:
        if type(value) is not kind and type(value) is not str:
            raise Misfit(f"{short(value)} is neither a {kind.__name__} nor text")
        return str(value)

    def decode(value: Any) -> Any:
        if type(value) is not str:
            raise Misfit(f"{short(value)} is not text")
        return members.get(value, value)

    return Shape(encode, decode)


def _each(step: Callable[[Any], Any], values: Any) -> list[Any]:
    out: list[Any] = []
    try:
        for value in values:
            out.append(step(value))
    except Misfit as misfit:
        raise misfit.within(f"[{len(out)}]") from None
    return out


def _row(item: Shape) -> Shape:
    a_tuple, a_list = exactly(tuple), exactly(list)
    return Shape(
        lambda value: _each(item.encode, a_tuple(value)),
        lambda value: tuple(_each(item.decode, a_list(value))),
    )


def _fixed(items: tuple[Shape, ...]) -> Shape:
    def places(value: Any, kind: type[Any]) -> Any:
        if not isinstance(value, kind) or len(value) != len(items):
            raise Misfit(f"{short(value)} is not {len(items)} values")
        return zip(items, value, strict=True)

    return Shape(
        lambda value: _each(lambda place: place[0].encode(place[1]), places(value, tuple)),
        lambda value: tuple(_each(lambda place: place[0].decode(place[1]), places(value, list))),
    )


def _set(item: Shape) -> Shape:
    a_set, a_list = exactly(frozenset), exactly(list)

    def decode(value: Any) -> Any:
        members = _each(item.decode, a_list(value))
        if len(set(members)) != len(members):
            raise Misfit(f"{short(value)} names a member twice")
        return frozenset(members)

    return Shape(lambda value: sorted(_each(item.encode, a_set(value))), decode)


def _mapping(item: Shape) -> Shape:
    def walk(step: Callable[[Any], Any], value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Misfit(f"{short(value)} is not a mapping")
        out: dict[str, Any] = {}
        for key, inner in value.items():
            if type(key) is not str:
                raise Misfit(f"key {short(key)} is not text")
            try:
                out[key] = step(inner)
            except Misfit as misfit:
                raise misfit.within(f"[{key}]") from None
        return out

    return Shape(lambda value: walk(item.encode, value), lambda value: walk(item.decode, value))


def record_shape(kind: type[Any]) -> Shape:
    """An attrs class: every field by name; a field that is missing on reading takes its default, an unknown one is
    refused.
    """
    hints = typing.get_type_hints(kind)
    fields = {field.name: shape_of(hints[field.name]) for field in attrs.fields(kind)}
    required = [field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING]
    writers = tuple((name, shape.encode) for name, shape in fields.items())
    readers = {name: shape.decode for name, shape in fields.items()}
    values_of = _attributes(tuple(fields))

    def encode(value: Any) -> dict[str, Any]:
        if type(value) is not kind:
            raise Misfit(f"{short(value)} is not a {kind.__name__}")
        out: dict[str, Any] = {}
        name = ""
        try:
            for (name, write), inner in zip(writers, values_of(value), strict=True):
                out[name] = write(inner)
        except Misfit as misfit:
            raise misfit.within(f".{name}") from None
        return out

    def decode(value: Any) -> Any:
        if type(value) is not dict:
            raise Misfit(f"{short(value)} is not the fields of a {kind.__name__}")
        given: dict[str, Any] = {}
        for name, inner in value.items():
            read = readers.get(name)
            if read is None:
                raise Misfit(f"{kind.__name__} has no field {name!r} in this version")
            try:
                given[name] = read(inner)
            except Misfit as misfit:
                raise misfit.within(f".{name}") from None
        missing = [name for name in required if name not in given]
        if missing:
            raise Misfit(f"{kind.__name__} lacks {', '.join(missing)}")
        return kind(**given)

    return Shape(encode, decode)


def _attributes(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if not names:
        return lambda value: ()
    getter: Callable[[Any], Any] = operator.attrgetter(*names)
    return getter if len(names) > 1 else lambda value: (getter(value),)
