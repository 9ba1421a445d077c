# Every target sets up .venv first, and on Debian or Ubuntu TeX and the data; done once, that takes no time.
#
#   PROFILE=fast|cpu|full   seconds · minutes on two cores (default) · the report of record
#   PYTHON=/path/to/python  the interpreter for .venv, 3.11 or newer
#   SYSTEM=0                install no system packages

PROFILE ?= cpu
PYTHON ?=
SYSTEM ?= 1

BIN := .venv/bin
BOOTSTRAP_PYTHON := $(or $(PYTHON),python3)

.DEFAULT_GOAL := help
.PHONY: help setup report test check bench clean

help: ## this list
	@sed -n 's/^# \{0,1\}\(  .*\)/\1/p; s/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile

setup: ## .venv, and on Debian or Ubuntu TeX and the data
	@"$(BOOTSTRAP_PYTHON)" coursework/report/bootstrap.py --python "$(PYTHON)" --system "$(SYSTEM)"

report: setup ## execute the notebooks and build HTML and PDFs in build/$(PROFILE)/
	@$(BIN)/python -m coursework.cli report --profile "$(PROFILE)"

test: setup check ## everything: style, types, tests, notebooks, book, pages
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m pytest -n 2 --dist loadfile --nbval book/dry
	$(BIN)/python -m pytest -n 2 --dist loadfile --nbval-lax book/wet book/studies
	rm -rf _build && mkdir _build
	$(BIN)/jupyter-book build book/ -n -W --keep-going -q
	@if command -v xelatex >/dev/null && command -v latexmk >/dev/null; then \
	  echo "PDFs (log: _build/pdf.log)"; \
	  $(BIN)/jupyter-book build book/ -n -W --keep-going -q --builder pdflatex </dev/null >_build/pdf.log 2>&1 \
	  || { tail -n 40 _build/pdf.log; exit 1; }; \
	else echo "no xelatex or latexmk: HTML only"; fi
	$(BIN)/python -m coursework.report.checks _build

check: setup ## style and types only
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: setup ## measurements against peers; they print ratios and gate nothing
	$(BIN)/python -m benchmarks

clean: ## remove builds and caches; .venv, runs and records stay
	rm -rf build _build .pytest_cache .mypy_cache .ruff_cache
	find coursework tests book benchmarks -name __pycache__ -prune -exec rm -rf {} +
