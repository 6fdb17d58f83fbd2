# make reproduce: the whole workflow on this machine; make test: all tests; make help: the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help writable env reproduce check unit test lint format lock docs clean bench check-gpu

PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
LOCK := envs/requirements.txt
STAMP := .venv/t2ipal-$(shell cat $(LOCK) envs/uv.txt pyproject.toml | cksum | cut -d" " -f1)
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)

# A home that is not there, or not ours to write, is no obstacle: caches then live in .venv.
ifeq ($(shell test -w "$${HOME:-/nonexistent}" && { [ ! -e "$$HOME/.cache" ] || [ -w "$$HOME/.cache" ]; } && echo yes),)
export HOME := $(CURDIR)/.venv/home
endif
# Python writes and reads UTF-8 whatever the machine's language.
export PYTHONUTF8 := 1
# Where compiled modules may not be kept, each of the 180 jobs compiles torch's anew: 4 seconds.
unexport PYTHONDONTWRITEBYTECODE

writable:
	@[ -w . ] || { echo "error: $(CURDIR): no permission to write (expected a checkout of one's own)" >&2; exit 1; }

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

reproduce: writable $(STAMP) ## captions to Table 1, figures and report.html on the micro world; repeated: only what changed
	@$(SNAKEMAKE)
	@results="$$($(BIN)/t2ipal results --folder)"; report="$$results/report.html"; log="$$results/logs/report.log"; part="$$results/.report.part.html"; \
	if [ ! -s "$$report" ] || [ -n "$$(find "$$results"/{tables,figures,report} report -newer "$$report" -type f -print -quit)" ]; then \
	  echo "Report: writing $$report"; \
	  $(SNAKEMAKE) --report "$$part" > "$$log" 2>&1 || { cat "$$log" >&2; exit 1; }; mv -f "$$part" "$$report"; fi
	@$(BIN)/t2ipal results

check: $(STAMP) ## lint and unit tests: a minute and a half on 2 cores, after every edit
	@$(MAKE) --no-print-directory --jobs=2 --keep-going lint unit

unit: $(STAMP)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not browser" tests/unit tests/golden

test: $(STAMP) ## all tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: $(STAMP) ## docs/performance.md: this project next to what one would use instead, on the CPU; 10 minutes
	@$(BIN)/python benchmarks/performance.py

check-gpu: $(STAMP) ## docs/gpu.md: speed, memory and promises on one GPU of 24 GB or more, random weights; 10 minutes
	@$(BIN)/python benchmarks/check_gpu.py

lint: $(STAMP) ## style of Python and Snakemake files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile rules
	@$(BIN)/python -m t2ipal.config --check
	@$(BIN)/snakemake --lint

format: $(STAMP) ## rewrite files in the style that lint checks
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/snakefmt Snakefile rules
	@$(BIN)/python -m t2ipal.config --write

lock: $(STAMP) ## rewrite the lock and environment.yaml for what pyproject.toml asks for; versions that fit stay
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet pyproject.toml --all-extras --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --output-file $(LOCK)
	@$(BIN)/python envs/conda.py

docs: $(STAMP) ## the pages of docs/ and the Python API as a site: site/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean 2>&1 | sed '/^INFO/d'
	@echo "Site: site/index.html"

env: $(STAMP) ## the environment in .venv: the locked and hashed envs/requirements.txt, and the command t2ipal

clean: ## remove the results of config.yaml; those of other configs and the environment stay
	@if [ -x $(BIN)/t2ipal ]; then $(BIN)/t2ipal results --remove; else echo "Nothing removed: make env"; fi

$(STAMP): $(LOCK) envs/uv.txt pyproject.toml | writable
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"error: python {sys.version.split()[0]}: expected 3.11 or newer (make PYTHON=/path/to/python3)")'
	@[ -x $(BIN)/python ] || { new="$$([ -e .venv ] || echo .venv)"; $(PYTHON) -m venv .venv || { \
	  echo "error: $(PYTHON) cannot make an environment: expected the module venv (Debian: apt install python3-venv)"; rm -rf $$new; exit 1; }; }
	@mkdir -p .venv/home
	@echo "Environment: .venv (once; about 6 GB)"
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip > /dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $(LOCK)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@rm -f .venv/t2ipal-* && touch $@
