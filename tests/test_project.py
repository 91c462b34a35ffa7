"""What a stranger meets first: the make targets, the locks, the licence and the package they build."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from source_tree import ROOT, tracked_files

LOCKS = ("requirements.lock", "requirements-dev.lock")


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string((ROOT / "setup.cfg").read_text(encoding="utf-8"))
    return parser


def listed(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def build_requires() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [Requirement(line) for line in project["build-system"]["requires"]]


def locked(name: str) -> dict[str, tuple[Requirement, list[str]]]:
    """The lock's entries: name -> (pinned requirement, hashes)."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    entries = {}
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            pinned, *hashes = line.split("--hash=")
            requirement = Requirement(pinned)
            entries[canonicalize_name(requirement.name)] = (requirement, [digest.strip() for digest in hashes])
    return entries


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # this test may itself run under make, whose flags are not meant for the make that is looked at
    env = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run(["make", *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=60)


class TestMake:
    def test_help_lists_every_target(self) -> None:
        """`make` alone prints one line of help for each target a person may name."""
        text = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))

        shown = make().stdout.splitlines()

        names = "help demo test check simulate crash-points matrix mutants lock tools test-pythons clean"
        assert set(names.split()) == targets
        assert targets == {line.split()[0] for line in shown}
        assert all(len(line.split(maxsplit=1)) == 2 for line in shown)

    @pytest.fixture
    def venv(self, tmp_path: Path) -> Path:
        """An environment that is newer than everything it depends on, with a program of two lines."""
        program = tmp_path / "venv" / "bin" / "realtrading"
        program.parent.mkdir(parents=True)
        program.write_text('#!/bin/sh\necho "first $*"\necho last\nexit "${DEMO_EXIT:-0}"\n')
        program.chmod(0o755)
        (tmp_path / "venv" / ".run").touch()
        return tmp_path / "venv"

    def test_demo_prints_nothing_but_the_programs_own_lines(self, venv: Path, tmp_path: Path) -> None:
        """`make demo` passes DEMO_ARGS on, and stdout is the program's from first to last line, from anywhere."""
        here = make("demo", f"VENV={venv}", "DEMO_ARGS=--seconds 20 --json")
        # -s: only make itself could leave out the two lines in which -C tells where it goes
        elsewhere = make("-s", "-C", str(ROOT), "demo", f"VENV={venv}", folder=tmp_path)

        assert (0, "first demo --seconds 20 --json\nlast\n") == (here.returncode, here.stdout)
        assert (0, "first demo\nlast\n") == (elsewhere.returncode, elsewhere.stdout)

    def test_demo_fails_when_the_program_fails(self, venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A program that ends with 11 makes make fail, with the program's last line still the last on stdout."""
        monkeypatch.setenv("DEMO_EXIT", "11")

        run = make("demo", f"VENV={venv}")

        assert 2 == run.returncode
        assert "last" == run.stdout.splitlines()[-1]
        assert "Error 11" in run.stderr

    def test_an_interpreter_of_the_wrong_age_is_named(self, tmp_path: Path) -> None:
        """An interpreter outside 3.11 to 3.13 is refused in one sentence before anything is installed."""
        old = tmp_path / "python"
        old.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} -c "import sys; sys.version_info = (3, 10, 0)\n$*"\n')
        old.chmod(0o755)

        run = make("demo", f"VENV={tmp_path / 'venv'}", f"PYTHON={old}")

        assert 2 == run.returncode
        assert "realtrading needs CPython 3.11 to 3.13" in run.stderr
        assert not (tmp_path / "venv").exists()


class TestLocks:
    @pytest.mark.parametrize("name", LOCKS)
    def test_every_requirement_is_one_version_with_hashes(self, name: str) -> None:
        """Each locked requirement is pinned by == and by at least one SHA-256."""
        entries = locked(name)

        assert len(entries) > 20
        for requirement, hashes in entries.values():
            assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
            assert hashes, requirement
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), requirement

    @pytest.mark.parametrize("name", LOCKS)
    def test_no_address_and_no_option(self, name: str) -> None:
        """A lock says what, never where from: no address and no option of pip but the hashes."""
        text = (ROOT / name).read_text(encoding="utf-8")

        assert "://" not in text
        assert "--hash" == "".join(sorted(set(re.findall(r"--[a-z-]+", text))))

    @pytest.mark.parametrize("name", LOCKS)
    def test_lock_satisfies_what_is_declared(self, name: str) -> None:
        """What setup.cfg and pyproject.toml ask for is in the lock, in a version they admit."""
        cfg = setup_cfg()
        wanted = [*listed(cfg["options"]["install_requires"]), *build_requires()]
        if name == "requirements-dev.lock":
            wanted += listed(cfg["options.extras_require"]["test"])
        entries = locked(name)

        for requirement in wanted:
            pinned = next(iter(entries[canonicalize_name(requirement.name)][0].specifier)).version
            assert requirement.specifier.contains(Version(pinned)), f"{requirement} is locked to {pinned}"

    def test_tests_run_against_what_users_run(self) -> None:
        """Every entry of the run lock stands in the test lock with the same version and hashes."""
        run, test = locked("requirements.lock"), locked("requirements-dev.lock")

        assert run == {name: test.get(name) for name in run}


class TestPackage:
    def test_licence_is_apache_2_in_full(self) -> None:
        """The licence named in the metadata is the one that lies in the checkout, whole."""
        text = (ROOT / "LICENSE").read_text(encoding="utf-8")

        assert "Apache-2.0" == setup_cfg()["metadata"]["license"]
        assert text.lstrip().startswith("Apache License\n                           Version 2.0, January 2004")
        assert "END OF TERMS AND CONDITIONS" in text

    def test_wheel_holds_every_file_of_the_package(self, tmp_path: Path) -> None:
        """A built wheel carries each tracked file below realtrading/: data files are not forgotten."""
        source, out = tmp_path / "source", tmp_path / "out"
        inside = [name for name in tracked_files() if name.startswith("realtrading/")]
        for name in [*inside, "setup.cfg", "setup.py", "pyproject.toml", "LICENSE"]:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
        (source / "README.md").write_text("# realtrading\n")
        offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]

        subprocess.run([sys.executable, "-m", "pip", "wheel", *offline, "-w", out, source], check=True, timeout=100)

        packed = set(zipfile.ZipFile(next(out.glob("*.whl"))).namelist())
        assert [] == [name for name in inside if name not in packed]

    def test_ci_script_runs_what_the_readme_names(self) -> None:
        """The CI script parses, may be run, forbids skips and calls the targets a person would call."""
        script = ROOT / ".ci" / "run"
        text = script.read_text(encoding="utf-8")

        assert 0 == subprocess.run(["bash", "-n", script], timeout=20).returncode
        assert os.access(script, os.X_OK)
        assert "export REALTRADING_REQUIRE_ALL=1" in text
        told = ["make check", "make test", "make simulate SEEDS=300", "make test-pythons"]
        assert told == re.findall(r"^make .*", text, re.MULTILINE)
