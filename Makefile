# One command per wish. Needs Debian's make and python3-venv; everything else goes into ignored folders of this checkout.

PYTHON ?= python3
DEMO_ARGS ?=
TEST_ARGS ?=
SEEDS ?= 200
JOBS ?= 2
BREAK ?=
CRASH_ARGS ?=
ONLY ?=
PYTHONS := 3.12 3.13

VENV := .venv
SETUP := setup.cfg setup.py pyproject.toml
# every byte that gets installed is named by hash; our own package comes last, built by the locked setuptools
INSTALL := -m pip --disable-pip-version-check --quiet --quiet install

# progress is told on stderr: stdout belongs to the program that was asked for, from its first line to its last
say = echo "$(1)" >&2

MAKEFLAGS += --no-print-directory --no-builtin-rules
.SILENT:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test check simulate crash-points matrix mutants lock tools test-pythons clean

help: ## list these targets
	sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-14s%s\n' "$$name" "$$text"; done

demo: $(VENV)/.run ## trade against the shipped simulator with faults, then print a verdict (DEMO_ARGS="--seconds 20 --json")
	$(VENV)/bin/realtrading demo $(DEMO_ARGS)

test: $(VENV)/.test tools ## run every test on two cores (TEST_ARGS="tests/domain -x")
	$(VENV)/bin/python -m pytest -n 2 --dist worksteal $(TEST_ARGS)

check: $(VENV)/.test ## lint, types, the rules of the house, branch coverage of the domain
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/test_tidy.py tests/test_project.py
	$(VENV)/bin/python -m pytest -q tests/domain --cov=realtrading.domain --cov-fail-under=95

test-pythons: $(addprefix .pythons/,$(PYTHONS)) ## repeat unit and process tests on each further CPython found here

tools: .tools/prometheus/.done .tools/strace/.done ## fetch Debian's prometheus, promtool and strace for the tests (nothing is started)

simulate: $(VENV)/.test ## live seeds of the whole house in virtual time under a nemesis (SEEDS=2000 JOBS=2 BREAK=no-hold SCRIPT=FILE)
	cd tests && ../$(VENV)/bin/python -m $(if $(BREAK),mutants --simulate $(BREAK) --seeds $(SEEDS),simulation --seeds $(SEEDS) --jobs $(JOBS)$(if $(SCRIPT), --script $(abspath $(SCRIPT))))

crash-points: $(VENV)/.test tools ## kill -9 at every journal write, sync and socket call, lose power, judge (CRASH_ARGS="--scenario gap")
	cd tests && ../$(VENV)/bin/python -m crash_points --jobs $(JOBS) $(CRASH_ARGS)

matrix: $(VENV)/.test tools ## inject every fault of the matrix, print row, tests, invariants evaluated, result (JOBS=2)
	cd tests && ../$(VENV)/bin/python -m matrix --jobs $(JOBS)

mutants: $(VENV)/.test ## put each defect of tests/mutants into a copy and print what catches it (ONLY="no-hold float-price")
	cd tests && ../$(VENV)/bin/python -m mutants --jobs $(JOBS) $(if $(ONLY),--only $(ONLY))

lock: .tools/uv/.done ## resolve the newest versions that setup.cfg admits into requirements*.lock, with hashes
	$(call say,resolving run and test requirements)
	$(call build_requires) | $(call compile,requirements-dev.lock) --extra test --upgrade setup.cfg -
	$(call build_requires) | $(call compile,requirements.lock) --upgrade --constraint requirements-dev.lock setup.cfg -

clean: ## remove what these targets made, virtual environments and caches included
	rm -rf .venv .venv-3.* .tools .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .demo .matrix .simulation build *.egg-info
	find . -name .git -prune -o -name __pycache__ -prune -exec rm -rf {} +

# --- virtual environments -------------------------------------------------------------------------------------------

# $(call venv,FOLDER,INTERPRETER,LOCK)
define venv
$(2) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("realtrading needs CPython 3.11 to 3.13, $(2) is %d.%d: make PYTHON=…" % v)'
$(call say,installing $(3) into $(1))
$(2) -m venv $(1)
$(1)/bin/python $(INSTALL) --require-hashes --only-binary :all: -r $(3) >&2
$(1)/bin/python $(INSTALL) --no-deps --no-build-isolation --no-index -e . >&2
endef

$(VENV)/.run: requirements.lock $(SETUP)
	$(call venv,$(VENV),$(PYTHON),requirements.lock)
	touch $@

# the test lock holds the run lock whole, so one environment serves both
$(VENV)/.test: requirements-dev.lock requirements.lock $(SETUP)
	$(call venv,$(VENV),$(PYTHON),requirements-dev.lock)
	touch $(VENV)/.run $@

# --- the other interpreters -----------------------------------------------------------------------------------------

# a name on PATH may be a version manager's shim that runs nothing, so a candidate must prove what it is
define find_python
for candidate in python$(1) "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$(1).*/bin/python; do \
  if "$$candidate" -c 'import sys, ensurepip, venv; sys.exit("%d.%d" % sys.version_info[:2] != "$(1)")' 2>/dev/null; then echo "$$candidate"; break; fi; \
done
endef

.PHONY: $(addprefix .pythons/,$(PYTHONS))
$(addprefix .pythons/,$(PYTHONS)): .pythons/%: tools
	python=$$($(call find_python,$*)); \
	if [ -n "$$python" ]; then $(MAKE) .venv-$*/.test FURTHER_PYTHON="$$python" && .venv-$*/bin/python -m pytest -n 2 --dist worksteal -m "not slow" $(TEST_ARGS); \
	elif [ "$$REALTRADING_REQUIRE_ALL" = 1 ]; then echo "no CPython $* found on PATH or under pyenv, and REALTRADING_REQUIRE_ALL=1" >&2; exit 1; \
	else echo "no CPython $* found on PATH or under pyenv: its tests did not run" >&2; fi

.venv-3.%/.test: requirements-dev.lock $(SETUP)
	$(call venv,.venv-3.$*,$(FURTHER_PYTHON),requirements-dev.lock)
	touch $@

# --- tools of the project, none of them needed by its users ---------------------------------------------------------

# unpacked, not installed: no service starts, no root is needed. Without it the tests that need it say so.
.tools/prometheus/.done:
	rm -rf $(@D) && mkdir -p $(@D)/deb
	if command -v promtool >/dev/null && command -v prometheus >/dev/null; then touch $@; \
	elif cd $(@D)/deb && apt-get -qq -o APT::Sandbox::User=root download prometheus >&2 && dpkg-deb -x prometheus_*.deb .. ; then cd .. && rm -rf deb && touch .done; \
	elif [ "$$REALTRADING_REQUIRE_ALL" = 1 ]; then echo "prometheus could not be fetched, and REALTRADING_REQUIRE_ALL=1" >&2; exit 1; \
	else echo "prometheus could not be fetched (apt-get update?): tests that need it will be skipped" >&2; fi

.tools/strace/.done:
	rm -rf $(@D) && mkdir -p $(@D)/deb
	if command -v strace >/dev/null; then touch $@; \
	elif cd $(@D)/deb && apt-get -qq -o APT::Sandbox::User=root download strace libunwind8 >&2 && for package in *.deb; do dpkg-deb -x $$package ..; done; then cd .. && rm -rf deb && touch .done; \
	elif [ "$$REALTRADING_REQUIRE_ALL" = 1 ]; then echo "strace could not be fetched, and REALTRADING_REQUIRE_ALL=1" >&2; exit 1; \
	else echo "strace could not be fetched (apt-get update?): tests that need it will be skipped" >&2; fi

.tools/uv/.done:
	$(call say,installing uv into $(@D) to resolve with)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(INSTALL) --only-binary :all: uv==0.13.9 >&2
	touch $@

build_requires = $(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'
compile = .tools/uv/bin/uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock" --output-file $(1)
