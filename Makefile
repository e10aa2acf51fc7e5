# feedfall's commands. Bare `make` lists them; each does its own set-up in .venv and needs only Python 3.11+ and make.
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
PROOF = tests/proof$(if $(PAIRS),/test_pairs.py,$(if $(POINT),/test_points.py,$(if $(SEED),/test_instants.py)))
# What `make test` plays a few of: all of them.
LONG = test_parallel_storm.py test_deep.py::test_deep_and_replay__hold_for_any_order_of_rows \
	test_protocol.py::test_a_message_while_a_run_leaves__is_loaded_by_the_run_or_by_its_doorbell
STORM = $(if $(PAIRS)$(POINT)$(SEED),,$(addprefix tests/acceptance/,$(LONG)))

.PHONY: help setup demo test check render bench browser e2e proof
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

$(READY): requirements/dev.txt pyproject.toml
	@sh requirements/setup.sh "$(PYTHON)" .venv
	@touch $@

setup: $(READY) ## create .venv with the locked packages, and fetch Kafka's jars
	@$(BIN)/python -m local.servers.kafka

demo: setup ## from a request to rows on real Kafka and PostgreSQL, without Docker (DAYS=all: 27 years)
	@$(BIN)/feedfall demo $(if $(DAYS),--days $(DAYS))

test: setup ## all tests, on real servers; side by side, for most of them wait
	@$(BIN)/python -m pytest -n 4

check: $(READY) ## style, types, rooms, and manifests that equal their Python
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m workflows.render --check

render: $(READY) ## write argo-workflows/, argo-events/, monitoring/ and deploy/control-m/ from workflows/
	@$(BIN)/python -m workflows.render

e2e: setup ## the same on a Kubernetes: KUBECONFIG's, or (Linux, root) one that .ci/cluster builds (AGAIN=1: what failed)
	@$(BIN)/python -m pytest tests/cluster $(if $(AGAIN),--last-failed)

proof: setup ## strike a pod at its every call to the outside, then 1,000 times at random (PAIRS=1: two in one story)
	@POINT="$(POINT)" SEED="$(SEED)" PAIRS="$(PAIRS)" SAMPLE="$(SAMPLE)" STORMS=1000 $(BIN)/python -m pytest -s $(PROOF) $(STORM)

browser: $(READY) ## the board in Debian's chromium, by mouse and keyboard, with axe (PICTURES=folder: keep what was seen)
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements/browser.txt
	@npm install --prefix .local/axe --silent --no-audit --no-fund --ignore-scripts axe-core@4.14.1
	@$(BIN)/python -m pytest tests/machine/test_board_browser.py

bench: setup ## the numbers of docs/evidence.md, as ratios to a floor in the same run
	@$(BIN)/python -m benchmarks
