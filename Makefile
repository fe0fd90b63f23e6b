# Two commands: `make book` and `make test`. Each sets itself up in .venv; nothing else is needed
# but Python 3.11 or newer, make and git.
TIER    ?= lecture
ARCHIVE ?=
# by default all that PyTorch finds; 0: none
GPUS    ?=
# runs at once on a GPU; more than one only helps while nvidia-cuda-mps-control -d is running
RUNS_PER_GPU ?= 1
CORES   ?= $(shell getconf _NPROCESSORS_ONLN)
PYTHON  ?= python3
HTML    ?= _build/html
# OWNER/NAME on GitHub, for the links to Colab and Binder
REPOSITORY ?=

BIN := .venv/bin
# Containers often forbid bytecode; then each of a book's many kernels would compile torch anew.
export PYTHONDONTWRITEBYTECODE :=
# pip brings torch (its CPU build where an index of the machine offers one); uv the rest, in seconds.
TORCH := torch==2.13.0
UV := uv==0.13.9

.DELETE_ON_ERROR:
.PHONY: book plan course test check format doctor release clean help

help:  ## what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

book: .venv/book.done  ## run a tier's notebooks and build the book: make book TIER=lecture ARCHIVE= GPUS=
	$(BIN)/python -m book.tools progress -- \
	  $(BIN)/python -m snakemake --snakefile workflow/Snakefile --cores $(CORES) --keep-going \
	  --configfile workflow/tiers/$(TIER).yaml --config archive="$(ARCHIVE)" html="$(HTML)" gpus="$(GPUS)" runs_per_gpu="$(RUNS_PER_GPU)" repository="$(REPOSITORY)"

plan: .venv/book.done  ## what a tier costs, before anything starts: make plan TIER=paper
	@$(BIN)/python workflow/cost.py $(TIER)

test: .venv/test.done  ## build the smoke tier's book, then run every check and test
	$(MAKE) --no-print-directory check
	$(MAKE) --no-print-directory book TIER=smoke ARCHIVE= HTML=_build/smoke
	ECGCORE_HTML=_build/smoke $(BIN)/python -m pytest -n $(CORES) --dist worksteal

check: .venv/test.done  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/test.done  ## put the code into its canonical form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

course: .venv/book.done  ## notebooks for students, without solutions, and for teachers, with them
	$(BIN)/python -m book.tools course --to _build/course --execute

release: .venv/test.done  ## PDF, offline zip, results and checksums of the built book, in _build/release
	.ci/install-browser
	$(BIN)/python -m book.tools release --html $(HTML) --to _build/release

doctor: .venv/book.done  ## what is installed, which device, which archive
	$(BIN)/python -m ecgcore doctor

clean:  ## remove all that was built (not .venv)
	rm -rf _build .snakemake

.venv/base.done: constraints.txt
	rm -rf .venv
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt $(TORCH)
	touch $@

.venv/book.done: .venv/base.done pyproject.toml
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet -c constraints.txt -e '.[book]'
	touch $@

.venv/test.done: .venv/book.done pyproject.toml
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet -c constraints.txt -e '.[book,test]'
	touch $@
