# Each verb sets up what it needs; the first one on a fresh machine installs everything.

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --quiet

.PHONY: demo test lint docs bench

demo: $(UV)          ## compare two methods on the built-in data
	$(RUN) mlw compare protonet maml --shots 1 5

test: $(UV)          ## run the test suite
	$(RUN) pytest

lint: $(UV)          ## style, types
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy

docs: $(UV)          ## write the generated parts of README and docs anew
	$(RUN) python docs/generate.py

bench: $(UV)         ## speed, against the usual way, in one run
	$(RUN) python benchmarks/speed.py

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/pip install --quiet uv
