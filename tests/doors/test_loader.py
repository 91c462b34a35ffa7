"""From `use` and `config` in the settings to a strategy: what is taken, and the sentence for each mistake."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from realtrading.errors import BadInput
from realtrading.strategies import Pacer, Strategy
from realtrading.strategies.loader import load_strategy

GRID = """
    from decimal import Decimal

    import attrs

    from realtrading import Strategy


    @attrs.frozen(kw_only=True)
    class Settings:
        size: Decimal
        levels: int = 3
        patience: float = 1.5
        label: str = "grid"
        both: bool = True
        symbols: tuple[str, ...] = ()
        prices: list[Decimal] = attrs.field(factory=list)
        stop: Decimal | None = attrs.field(default=None)

        def __attrs_post_init__(self):
            if self.levels > 99:
                raise ValueError("levels must be below 100")


    class Grid(Strategy):
        Config = Settings


    class Plain(Strategy):
        def on_timer(self, ctx):
            return None


    class Odd(Strategy):
        class Config:
            size = 1


    class NotOne:
        pass
"""

HINT = 'can be found (a file is given as "path.py:Class")'


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the author's file."""

    def to_file(text: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return to_file


def mistake(use: str, config: Mapping[str, Any], folder: Path) -> str:
    """The words for which it is refused."""
    with pytest.raises(BadInput) as refusal:
        load_strategy(use, config, folder, name="grid")
    assert refusal.value.exit_code == 4
    return str(refusal.value)


# -- what is taken ------------------------------------------------------------


def test_a_class_in_a_file_is_made_anew_each_time(write: Callable[[str], Path], tmp_path: Path) -> None:
    """A path is relative to the settings' folder; the factory makes fresh objects that share the checked config."""
    write(GRID)
    factory = load_strategy("mine.py:Grid", {"size": D("0.10")}, tmp_path)

    one, two = factory(), factory()

    assert isinstance(one, Strategy)
    assert one is not two
    assert (one.config.size, one.config.levels, one.config) == (D("0.10"), 3, two.config)


def test_a_class_in_a_module_is_found(tmp_path: Path) -> None:
    """The example is a module's class like any other."""
    pacer = load_strategy("realtrading.strategies:Pacer", {"budget": 100, "patience": D("0.5")}, tmp_path)()

    assert isinstance(pacer, Pacer)
    assert (pacer.config.budget, pacer.config.patience, pacer.config.pause) == (D(100), 0.5, 0.2)


def test_a_strategy_without_settings_gets_none(write: Callable[[str], Path], tmp_path: Path) -> None:
    """No Config, no config."""
    write(GRID)

    assert load_strategy("mine.py:Plain", {}, tmp_path)().config is None


def test_values_are_read_exactly_into_the_fields_types(write: Callable[[str], Path], tmp_path: Path) -> None:
    """Amounts come exact from numbers, whole numbers and texts; lists become what the field says."""
    write(GRID)
    given = {"size": "0.1", "patience": 2, "symbols": ["A", "B"], "prices": [1, D("2.5")], "stop": D("0.30")}

    config = load_strategy("mine.py:Grid", given, tmp_path)().config

    assert (config.size, config.patience, config.symbols) == (D("0.1"), 2.0, ("A", "B"))
    assert (config.prices, str(config.stop)) == ([D(1), D("2.5")], "0.30")


# -- what is not found --------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        ("Grid", "[strategy.grid] use = 'Grid' is neither \"module:Class\" nor \"path.py:Class\""),
        ("mine.py:", "[strategy.grid] use = 'mine.py:' is neither \"module:Class\" nor \"path.py:Class\""),
        ("mine.py:Griddy", "[strategy.grid] mine.py has no class Griddy (strategies in it: Grid, Odd, Plain)"),
        ("mine.py:NotOne", "[strategy.grid] NotOne in mine.py is not a subclass of realtrading.Strategy"),
        ("no_such_thing:A", f"[strategy.grid] no module 'no_such_thing' {HINT}"),
        ("realtrading.nope:A", f"[strategy.grid] no module 'realtrading.nope' {HINT}"),
        ("../x:A", "[strategy.grid] use: '../x' is not the name of a module"),
    ],
)  # fmt: skip
def test_what_cannot_be_found_is_named(
    write: Callable[[str], Path], tmp_path: Path, use: str, sentence: str
) -> None:
    """Malformed `use`, missing modules, missing classes, and classes that are no strategies."""
    write(GRID)

    assert mistake(use, {}, tmp_path) == sentence


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    """A path that leads nowhere, or to a folder, is said with the whole path."""
    (tmp_path / "folder.py").mkdir()

    assert mistake("gone.py:A", {}, tmp_path) == f"[strategy.grid] no file '{tmp_path / 'gone.py'}'"
    assert mistake("folder.py:A", {}, tmp_path) == f"[strategy.grid] {tmp_path / 'folder.py'} is not a file"


# -- what its module raises ---------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\ny = x / 0\n", "line 2: ZeroDivisionError: division by zero"),
        ("\n\ndef f(:\n", "line 3: SyntaxError: invalid syntax"),
        ("import nothing_like_that\n", "line 1: ModuleNotFoundError: No module named 'nothing_like_that'"),
        ("def f():\n    raise SystemExit(3)\n\nf()\n", "line 2: SystemExit: 3"),
    ],
)
def test_a_file_that_cannot_be_imported_names_its_line(
    write: Callable[[str], Path], tmp_path: Path, text: str, words: str
) -> None:
    """File, line and message of the author's own mistake, whatever kind it is."""
    path = write(text)

    assert mistake("mine.py:A", {}, tmp_path) == f"[strategy.grid] cannot be loaded: {path} {words}"


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are no Python source are one sentence too."""
    (tmp_path / "mine.py").write_bytes(b"\x00\xff\xfe garbage")

    assert mistake("mine.py:A", {}, tmp_path).startswith("[strategy.grid] cannot be loaded: ")


# -- what its config does not take --------------------------------------------


@pytest.mark.parametrize(
    ("config", "lines"),
    [
        ({}, ["size: missing (needed: an exact number such as 0.5)"]),
        ({"size": D(1), "levles": 3}, ["levles: unknown key, perhaps levels is meant (allowed: size, levels, "
                                        "patience, label, both, symbols, prices, stop)"]),
        ({"size": "much"}, ["size: 'much' (allowed: an exact number such as 0.5)"]),
        ({"size": D("NaN")}, ["size: NaN (allowed: an exact number such as 0.5)"]),
        ({"size": 0.5}, ["size: 0.5 (allowed: an exact number such as 0.5, not a float)"]),
        ({"size": True, "levels": True, "label": 1}, ["size: True (allowed: an exact number such as 0.5)",
                                                      "levels: True (allowed: a whole number)",
                                                      "label: 1 (allowed: a text)"]),
        ({"size": 1, "symbols": "A", "both": 1}, ["symbols: 'A' (allowed: a list of a text)",
                                                  "both: 1 (allowed: true or false)"]),
        ({"size": 1, "levels": D("2.5"), "patience": "x"}, ["levels: 2.5 (allowed: a whole number)",
                                                            "patience: 'x' (allowed: a number)"]),
        ({"size": 1, "stop": []}, ["stop: [] (allowed: an exact number such as 0.5)"]),
    ],
)  # fmt: skip
def test_every_wrong_key_and_value_is_named(
    write: Callable[[str], Path], tmp_path: Path, config: dict[str, Any], lines: list[str]
) -> None:
    """All mistakes at once, a line for each, with section and key."""
    write(GRID)

    words = mistake("mine.py:Grid", config, tmp_path)

    assert words.splitlines() == [f"[strategy.grid.config] {line}" for line in lines]


@pytest.mark.parametrize(
    ("use", "config", "sentence"),
    [
        ("mine.py:Plain", {"a": 1, "b": 2}, "[strategy.grid.config] a, b: Plain takes no config"),
        ("mine.py:Odd", {}, "[strategy.grid.config]: Odd.Config is not an attrs class"),
        ("mine.py:Grid", {"size": 1, "levels": 100}, "[strategy.grid.config]: levels must be below 100"),
        ("realtrading.strategies:Pacer", {"budget": 0}, "[strategy.grid.config]: 'budget' must be > 0: 0"),
    ],
)
def test_what_the_authors_own_class_refuses_is_said(
    write: Callable[[str], Path], tmp_path: Path, use: str, config: dict[str, Any], sentence: str
) -> None:
    """No Config, a Config that is no attrs class, and the author's own checks."""
    write(GRID)

    assert mistake(use, config, tmp_path) == sentence
