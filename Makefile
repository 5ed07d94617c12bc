# `make help` lists the targets. Everything runs from .venv, which the stamp files below keep up to date.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Two installs into one environment must not run at once.
.NOTPARALLEL:

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --constraint constraints.txt --editable
LOCKED := pyproject.toml clients/python/pyproject.toml constraints.txt
comma := ,
SERVE_READY := $(VENV)/.serve-ready
ALL_READY := $(VENV)/.all-ready
export PYTHON
JOBS ?= 2# tests at a time, each file's one after the other

.PHONY: help setup demo serve test valkey browser sample lint type audit bench bench-peers chaos strangers soak fuzz compose-test lock sbom settings proto typescript clean system-serve system-test system-browser

help: ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) \
	    | while IFS=$$'\t' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

setup: $(ALL_READY) ## make .venv with everything in it: serving, training, tests and linters

demo: $(SERVE_READY) ## run the service on a clip, draw the result, show the page: make demo [CLIP=path]
	$(PY) -m service.demo $(if $(CLIP),--clip '$(CLIP)')

serve: $(SERVE_READY) ## start the service (HTTP and gRPC) in the foreground
	$(VENV)/bin/kinepose serve

test: system-test $(ALL_READY) ## install what tests need and run them: make test [ARGS='-k name']
	$(PY) -m pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)

valkey: $(ALL_READY) ## install Valkey where the distribution has it, and test with it in the place of Redis
	@deploy/setup-system.sh valkey
	KINEPOSE_TEST_REDIS_SERVER=valkey-server $(PY) -m pytest tests/service/redis tests/integration/test_guarded_redis.py $(ARGS)

browser: system-browser $(ALL_READY) ## install Chromium and test the page in it, with a fake camera
	$(PY) -m pytest tests/browser $(ARGS)

sample: $(SERVE_READY) ## read the bundled clip again, for the page to open with (service/page/sample.json)
	$(VENV)/bin/kinepose estimate service/demo/clip.mp4 --output service/page/sample.json

lint: $(ALL_READY) ## ruff, format, import rules, Dockerfiles, and whether the generated stubs are up to date
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/hadolint Dockerfile deploy/proxy/Dockerfile
	$(PY) -m tools.stubs --check

type: $(ALL_READY) ## mypy --strict
	$(VENV)/bin/mypy --strict clients/python/kinepose_client model service bench training tools tests

audit: $(ALL_READY) ## look the locked packages up among the known vulnerabilities
	deploy/audit.sh $(VENV)/bin/pip-audit constraints.txt

bench: $(ALL_READY) ## measure what the service, and what Redis, adds to a frame; writes out/bench.json, out/redis_cost.json
	mkdir -p out
	$(VENV)/bin/kinepose bench overhead --output out/bench.json
	$(PY) -m tests.bench.redis_cost --output out/redis_cost.json

bench-peers: $(ALL_READY) ## beside MediaPipe and MoveNet (needs npm): make bench-peers [DATA=folder with JHMDB]; writes out/peers.json
	$(PY) -m tests.bench.peers.prepare out/peers
	$(PY) -m tests.bench.peers --tools out/peers --output out/peers.json $(if $(DATA),--data '$(DATA)') $(ARGS)

chaos: system-test $(ALL_READY) ## 60 s of killed workers, frontends, Redis and clients: make chaos [ARGS='--seed 2']
	$(PY) -m tests.chaos.run $(ARGS)

strangers: system-test $(ALL_READY) ## live streams alone and beside strangers who send what costs much; two minutes
	$(PY) -m tests.chaos.neighbours $(ARGS)

soak: system-test $(ALL_READY) ## 15 minutes of load: memory, files and latency of every process; writes out/soak.json
	mkdir -p out
	$(PY) -m tests.bench.soak --output out/soak.json $(ARGS)

fuzz: $(ALL_READY) ## fuzz what reads images, clips, messages and states, by coverage: make fuzz [SECONDS=600] [ARGS='jpeg clip']
	$(PY) -m tests.fuzz.run --seconds $(or $(SECONDS),600) $(ARGS)

compose-test: $(ALL_READY) ## build the images and run docker compose for real: clip, stream, killed worker, scaling
	deploy/compose-test.sh

lock: $(ALL_READY) ## lock the images' packages by hash, after a change of pyproject.toml or constraints.txt
	$(PY) -m tools.lock

sbom: $(ALL_READY) ## list the image's packages (CycloneDX); writes out/sbom.cdx.json
	$(PY) -m tools.sbom out/sbom.cdx.json

settings: $(ALL_READY) ## write docs/settings.md anew from service/config.py
	$(VENV)/bin/kinepose settings > docs/settings.md

proto: $(ALL_READY) ## generate the gRPC stubs from proto/
	$(PY) -m tools.stubs

typescript: $(ALL_READY) ## make the TypeScript client's types from the OpenAPI document, and compile it (needs npm)
	mkdir -p out
	$(PY) clients/typescript/openapi.py out/openapi.json
	cd clients/typescript && npm ci --ignore-scripts --no-audit --no-fund && npm run generate -- ../../out/openapi.json -o src/schema.ts && npm run build

clean: ## remove outputs and caches (.venv stays)
	rm -rf out build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -exec rm -rf {} +

system-serve:
	@deploy/setup-system.sh serve

system-test:
	@deploy/setup-system.sh test

system-browser:
	@deploy/setup-system.sh browser

# A stamp is written last, so that a broken install is tried again; the environment itself is reused.
define create_venv
	test -x $(PY) || { python=$$(deploy/find-python.sh) && "$$python" -m venv $(VENV); }
	$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(VENV) has a Python before 3.11: remove it and run make again")'
endef

# pyproject.toml names the client by its folder, so pip installs a copy of it; this puts the folder itself in its place.
define install
	$(INSTALL) $(1)
	$(INSTALL) ./clients/python --no-deps
endef

$(SERVE_READY): $(LOCKED) | system-serve
	@$(create_venv)
	@echo "installing what serving needs into $(VENV)"
	@$(call install,.)
	@touch $@

$(ALL_READY): $(LOCKED) | system-serve
	@$(create_venv)
	@echo "installing serving, training and development packages into $(VENV)"
	@$(call install,'.[train$(comma)dev]')
	@touch $(SERVE_READY) $@
