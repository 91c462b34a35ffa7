"""Patched copies of this checkout, and programs run in them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
_TREES = ("realtrading", "tests", "benchmarks")
_FILES = ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "Makefile", "LICENSE")
_NOT = shutil.ignore_patterns(".hypothesis", ".pytest_cache", ".mypy_cache")


class DoesNotApply(Exception):
    """A patch does not fit the code any more; the text is git's."""


@attrs.frozen(kw_only=True)
class Done:
    """How a program ended: `status` None when it was stopped because it took too long."""

    status: int | None
    out: str


@contextmanager
def copied(patch: Path | None) -> Iterator[Path]:
    """A copy of the checkout as it is now, patched; gone at the end. Raises `DoesNotApply`."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        for name in _TREES:
            # with the compiled files: they stay valid for whatever the patch does not touch
            shutil.copytree(ROOT / name, tree / name, ignore=_NOT)
        for name in _FILES:
            shutil.copy2(ROOT / name, tree / name)
        for source, target in ((ROOT / ".tools", tree / ".tools"), (ROOT.parent / "shared", tree.parent / "shared")):
            if source.is_dir():
                target.symlink_to(source)
        if patch is not None:
            apply(patch, tree)
        yield tree


def apply(patch: Path, tree: Path, *, only_check: bool = False) -> int:
    """Apply a patch to a tree, or see whether it would; returns how many files it changes. Raises `DoesNotApply`."""
    command = ["git", "apply", *(["--check"] if only_check else []), str(patch)]
    # nothing above the tree may be taken for its repository
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DoesNotApply(done.stderr.strip())
    return patch.read_text("utf-8").count("\n+++ b/")


def run_in(tree: Path, arguments: Sequence[str], *, limit_s: float, env: Mapping[str, str] | None = None) -> Done:
    """Run this Python with `arguments` in a copy, whose own modules it imports; ended with all it started."""
    given = {**os.environ, "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'tests'}", **(env or {})}
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=tree,
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            out, _ = process.communicate(timeout=limit_s)
            return Done(status=process.returncode, out=out)
        except subprocess.TimeoutExpired:
            return Done(status=None, out="")
        finally:
            _end_group(process.pid)


def _end_group(pid: int) -> None:
    """A mutant may leave programs behind that nobody would end."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
