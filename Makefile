# Each target sets up what it needs. On a fresh machine, the first one installs everything.

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --quiet

# Where Python may not keep compiled modules, each command compiles all of torch again: 20 seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test fuzz lowest lint docs notebooks bench

demo: $(UV)          ## compare two methods on the built-in data
	@test -d .venv || echo "installing into .venv: 6 GB on Linux, a few minutes on a fast network"
	$(RUN) mlw compare protonet maml --shots 1 5

TESTS := --numprocesses auto --maxprocesses 8 --dist worksteal

test: $(UV)          ## run the test suite, on all cores
	@test -d .venv || echo "installing into .venv: 6 GB on Linux, a few minutes on a fast network"
	$(RUN) pytest $(TESTS)

fuzz: $(UV)          ## try damaged plugins, archives and run folders: all cases, not a few
	MLW_FUZZ=full $(RUN) pytest $(TESTS) tests/fuzz

lowest: $(UV)        ## run the test suite once with the lowest versions that are allowed
	$(UV) venv --quiet --clear --python 3.11 .lowest
	VIRTUAL_ENV=.lowest $(UV) pip install --quiet --resolution lowest-direct \
		--editable . $(foreach plugin,$(wildcard plugins/*),--editable $(plugin)) --group dev
	.lowest/bin/python -m pytest $(TESTS) -W ignore::DeprecationWarning  # of old libraries by newer ones

lint: $(UV)          ## check style and types
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy

docs: $(UV)          ## update the generated parts of the docs, and build them as a site
	$(RUN) python docs/generate.py
	$(RUN) sphinx-build --quiet --fail-on-warning --keep-going -c docs . docs/_build/html
	@echo "the site: docs/_build/html/index.html"

notebooks: $(UV)     ## run the notebooks and store what they show
	$(RUN) jupyter nbconvert --execute --inplace --to notebook \
		--ExecutePreprocessor.record_timing=False notebooks/*.ipynb

bench: $(UV)         ## measure speed, compared with reference implementations
	$(RUN) python benchmarks/speed.py

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/pip install --quiet uv
