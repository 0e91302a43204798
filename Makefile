# heliopolis: `make demo` is the place to start.
PY ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
REQ = pipeline/requirements
CORES ?= 2
MEMORY ?= 4

.PHONY: setup demo test test-services bench lint lock audit sbom clean

setup: $(VENV)/.ok
$(VENV)/.ok: $(REQ)/lock.txt $(REQ)/torch.txt pyproject.toml
	@echo "Setting up $(VENV) (about a minute, once)"
	$(PY) -m venv $(VENV)
	$(BIN)/pip install -q --retries 1 --no-deps -r $(REQ)/torch.txt
	$(BIN)/pip install -q uv
	$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode --require-hashes --no-deps -r $(REQ)/lock.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

lock:
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
	  --extra train --extra dev --override $(REQ)/no-torch.override pyproject.toml -o $(REQ)/lock.txt

demo: setup
	$(BIN)/heliopolis simulate --out configs/demo/data --preset demo
	$(BIN)/heliopolis run configs/demo/config.yaml --cores $(CORES) --memory $(MEMORY) --offline

test: setup
	$(BIN)/python -m pytest -q -n $(CORES) --dist loadgroup --durations=40 -m "not services"

test-services: setup
	$(BIN)/python -m pytest -q -n $(CORES) --dist loadgroup --durations=20 -m services

bench: setup
	$(BIN)/python -m tests.bench

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile pipeline/rules

# Known vulnerabilities of the locked dependencies; needs a network.
audit: setup
	$(BIN)/uvx pip-audit --require-hashes --disable-pip -r $(REQ)/lock.txt

# Bill of materials of the locked dependencies, CycloneDX.
sbom: setup
	$(BIN)/uvx --from cyclonedx-bom cyclonedx-py requirements $(REQ)/lock.txt -o sbom.json

clean:
	rm -rf results configs/demo/data
