"""The words of the house: commands, reports and events are values, complete when made, and say who utters them."""

import inspect

import attrs
import pytest

from realtrading.domain import commands, house_events, money_events, order_events, reports

ROOMS = (commands, reports, order_events, money_events, house_events)
WORDS = [
    pytest.param(word, id=f"{room.__name__.rpartition('.')[2]}.{name}")
    for room in ROOMS
    for name, word in inspect.getmembers(room, inspect.isclass)
    if word.__module__ == room.__name__ and attrs.has(word)
]
COMMANDS = [word for word in WORDS if word.id.startswith("commands.") and word.id != "commands.OrderIntent"]


@pytest.mark.parametrize("word", WORDS)
def test_every_word_is_a_frozen_value_with_named_parts(word: type) -> None:
    """A letter that was sent can be changed by nobody, and is never filled by position."""
    fields = attrs.fields(word)
    assert all(field.kw_only for field in fields), [field.name for field in fields if not field.kw_only]
    letter = object.__new__(word)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(letter, fields[0].name if fields else "anything", "changed")


@pytest.mark.parametrize("word", COMMANDS)
def test_every_command_says_from_whom_to_whom(word: type) -> None:
    """A command has one receiver: its docstring names the road, `sender -> receiver: what`."""
    assert "->" in (word.__doc__ or "").split(":")[0]
