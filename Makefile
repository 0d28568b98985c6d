# Everything needs only Python 3.11 or newer (with its venv module), make and git.
#   make report PYTHON=python3.12 ARGS="--profile smoke"

# The first Python here that is new enough.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
ARGS ?=
TEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help report test fast check shape env lab explore bench bench-scale bench-explorer audit-power mutants \
	torture meetings readme clean

help:
	@echo "make report   run the series on the built-in synthetic corpus and make its HTML book"
	@echo "              (ARGS: options of run_notebooks.py, for example ARGS=\"--profile smoke\")"
	@echo "make test     check the code and run all tests (TEST_ARGS: options of pytest)"
	@echo "make fast     run the tests that take less than a minute together"
	@echo "make check    check the code with ruff"
	@echo "make shape    count the lines of lib: packages, largest modules, longest functions"
	@echo "make lab      open the notebooks in JupyterLab"
	@echo "make explore  open the interactive explorer of the CVAE's latents in JupyterLab"
	@echo "make bench    measure training and features against the plain way of doing them"
	@echo "make bench-scale  CPU seconds and memory of each stage at 1,000 to 30,000 tracks (ARGS: --sizes, --stages)"
	@echo "make bench-explorer  measure how fast the explorer answers in JupyterLab, in milliseconds"
	@echo "make audit-power  how far the audit of arrays can be trusted: public runs, innocent folders, planted faults"
	@echo "make mutants  break each test of that audit in turn, and name the test of ours that fails"
	@echo "make torture  kill a run 30 times at random moments, complete it, and compare it with an undisturbed one"
	@echo "make meetings  the consensus row meets real corpora by its protocol (LATENT_GENRE_DATA names their folder)"
	@echo "make readme   fill README with the numbers of finished runs (ARGS: the folder of the runs of corpora.yaml)"
	@echo "make env      only prepare the environment in $(VENV); the others do it when needed"
	@echo "make clean    remove runs (build/) and caches; downloads and $(VENV) stay"

report: env
	@$(BIN)/python run_notebooks.py $(ARGS)

test: check
	@$(BIN)/python -m pytest $(TEST_ARGS)

fast: env
	@$(BIN)/python -m pytest $(TEST_ARGS) -m "not slow and not browser"

check: env
	@$(BIN)/ruff check lib tests run_notebooks.py notebooks
	@$(BIN)/ruff format --check notebooks

shape: env
	@$(BIN)/python tests/shape.py

lab: env
	@cd notebooks && ../$(BIN)/jupyter lab

explore: env
	@cd notebooks && OMP_NUM_THREADS=1 ../$(BIN)/jupyter lab explore_cvae.ipynb

bench: env
	@$(BIN)/python tests/bench.py

bench-scale: env
	@$(BIN)/python tests/bench_scale.py $(ARGS)

bench-explorer: env
	@$(BIN)/python tests/bench_explorer.py $(ARGS)

audit-power: env
	@$(BIN)/python tests/audit_power.py $(ARGS)

mutants: env
	@$(BIN)/python tests/mutants.py

torture: env
	@$(BIN)/python tests/torture.py $(ARGS)

readme: env
	@$(BIN)/python tests/readme.py $(ARGS)

meetings: env
	@$(BIN)/python tests/meetings.py $(ARGS)

clean:
	rm -rf build data/cache .pytest_cache .hypothesis .ruff_cache notebooks/.ruff_cache
	find lib tests -name __pycache__ -prune -exec rm -rf {} +

env: $(INSTALLED)

$(INSTALLED): requirements.txt pyproject.toml
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "Python 3.11 or newer is needed ($(or $(PYTHON),python3) is not): install it, or say make PYTHON=/path/to/it" >&2; exit 1; fi
	@if ! $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "$(PYTHON) has no venv module: install it (Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; fi
	@echo "preparing the environment in $(VENV), once; this takes some minutes"
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check -e . --no-deps
	@touch $@
