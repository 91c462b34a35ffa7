"""The checkout's Python files as parsed modules, for the tests that judge them."""

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import attrs

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "realtrading"


class Finding(NamedTuple):
    """One breach of a rule, at a place a reader can jump to."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class Import(NamedTuple):
    """One imported module or name, absolute: `realtrading.domain.orders.RealOrder`."""

    target: str
    line: int


@attrs.frozen
class Module:
    """One Python file. `name` is what it is called inside the package, `""` for the package itself."""

    path: str
    name: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def is_package(self) -> bool:
        return self.path.endswith("__init__.py")

    @property
    def room(self) -> str:
        """The first part of the name: `domain`, `runtime`, … or a module of the top floor."""
        return self.name.partition(".")[0]

    def at(self, node: ast.AST | int, text: str) -> Finding:
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return Finding(f"{self.path}:{line}", text)

    def nodes(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))

    def imports(self) -> Iterator[Import]:
        """Every import, wherever it stands: lazy ones and those for type checkers count like the others."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                yield from (Import(f"{base}.{alias.name}", node.lineno) for alias in node.names)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        here = [PACKAGE, *filter(None, self.name.split("."))]
        up = node.level - self.is_package
        return ".".join([*here[: len(here) - up], *filter(None, [node.module])])


def parse(path: str, text: str) -> Module:
    """A module as it would stand at `path` of the checkout."""
    parts = Path(path).with_suffix("").parts
    name = ".".join(part for part in parts[parts[0] == PACKAGE :] if part != "__init__")
    return Module(path, name, text)


@functools.cache
def modules(folder: str) -> tuple[Module, ...]:
    """Every Python file below a folder of the checkout, in the order of paths."""
    paths = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py"))
    return tuple(parse(path, (ROOT / path).read_text(encoding="utf-8")) for path in paths)


@functools.cache
def tracked_files() -> tuple[str, ...]:
    """Every file that git holds or would take in, binary ones included."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    names = sorted(set(filter(None, listed.stdout.decode().split("\0"))))
    return tuple(name for name in names if (ROOT / name).is_file())


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a chain of names; what cannot be written so contributes its last part only."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else f".{node.attr}"
    return ""
