"""From a line in the settings to a strategy's factory: finds the author's class and checks its config."""
from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from realtrading.errors import BadInput

from .base import Strategy
from .config import read_config
from .failures import place_and_words

EXIT_CODE = 4


@attrs.frozen
class Factory:
    """Makes fresh objects of one strategy class, all with the same checked config."""

    kind: type[Strategy]
    config: Any

    def __call__(self) -> Strategy:
        """A new object."""
        return self.kind(self.config)


def load_strategy(
    use: str, config: Mapping[str, Any], base_dir: Path | str, *, name: str = "NAME"
) -> Callable[[], Strategy]:
    """The factory for [strategy.`name`]: `use` is "module:Class" or "path.py:Class", a path relative to `base_dir`.

    The author's module is run here, nothing else of it is. Raises `BadInput` (exit code 4), one sentence for each
    mistake: what cannot be found, what is no strategy, what its module raised (with file and line), and every key of
    `config` that its `Config` does not know or take.
    """
    place, _, class_name = use.rpartition(":")
    if not place or not class_name.isidentifier():
        raise _bad(name, f"use = {use!r} is neither \"module:Class\" nor \"path.py:Class\"")
    module = _from_file(name, Path(base_dir) / place) if place.endswith(".py") else _from_module(name, place)
    found = getattr(module, class_name, None)
    if found is None:
        raise _bad(name, f"{place} has no class {class_name}{_strategies_in(module)}")
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise _bad(name, f"{class_name} in {place} is not a subclass of realtrading.Strategy")
    return Factory(found, read_config(found, config, f"strategy.{name}.config"))


def _bad(name: str, what: str) -> BadInput:
    return BadInput(f"[strategy.{name}] {what}", exit_code=EXIT_CODE)


def _strategies_in(module: ModuleType) -> str:
    own = [
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy
    ]
    return f" (strategies in it: {', '.join(sorted(own))})" if own else ""


def _from_module(name: str, place: str) -> ModuleType:
    if not all(part.isidentifier() for part in place.split(".")):
        raise _bad(name, f"use: {place!r} is not the name of a module")
    with _author_code_runs(name, None):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as missing:
            if missing.name is None or not (place == missing.name or place.startswith(f"{missing.name}.")):
                raise
            raise _bad(name, f"no module {place!r} can be found (a file is given as \"path.py:Class\")") from None


def _from_file(name: str, file: Path) -> ModuleType:
    if "\0" in str(file) or not file.exists():
        raise _bad(name, f"no file {str(file)!r}")
    if not file.is_file():
        raise _bad(name, f"{file} is not a file")
    file = file.resolve()
    module_name = f"realtrading_strategy_{file.stem}_{abs(hash(str(file))):x}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    assert spec is not None  # the name ends with .py, so there is a loader for it
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # attrs and typing look classes' modules up by name
    try:
        with _author_code_runs(name, str(file)):
            spec.loader.exec_module(module)
    except BadInput:
        del sys.modules[module_name]
        raise
    return module


@contextmanager
def _author_code_runs(name: str, file: str | None) -> Iterator[None]:
    """Whatever the author's module raises while it is imported, an exit included, becomes one sentence."""
    try:
        yield
    except (BadInput, KeyboardInterrupt):
        raise
    except BaseException as failure:
        raise _bad(name, f"cannot be loaded: {place_and_words(failure, file)}") from None
