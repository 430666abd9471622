# Everything a newcomer needs. `make help` lists the verbs; each needs only git, make and Python >= 3.11.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-thorough check manifests golden bench services-up services-down images images-test images-ci

PYTHON_BIN := .venv/bin/python
READY := .venv/.ready

help: ## List these verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## Set up .venv with everything (gets uv when there is none)
	@scripts/setup.sh

$(READY): uv.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh

run: $(READY) ## Serve examples/orders.yaml with its payments service; ARGS="--port 8081" for options
	@$(PYTHON_BIN) scripts/run_example.py $(ARGS)

test: $(READY) ## Run the tests, with a third of the long matrices; ARGS="--help" for options
	@scripts/tool.sh promtool prometheus
	@scripts/tool.sh wrk wrk
	@scripts/tool.sh jq jq
	@$(if $(filter instructions,$(FAIRLEAD_SKIP)),:,scripts/tool.sh valgrind valgrind)
	@$(if $(filter postgresql,$(FAIRLEAD_SKIP)),:,scripts/postgresql.sh >/dev/null && scripts/pgbouncer.sh)
	@$(if $(filter clients,$(FAIRLEAD_SKIP)),:,scripts/tool.sh java default-jre-headless)
	@$(if $(filter clients,$(FAIRLEAD_SKIP)),$(if $(filter go,$(FAIRLEAD_SKIP)),:,scripts/tool.sh go golang-go),scripts/tool.sh go golang-go)
	@$(if $(filter clients,$(FAIRLEAD_SKIP)),:,scripts/tool.sh npm npm)
	@$(PYTHON_BIN) scripts/run_tests.py $(ARGS)

test-thorough: $(READY) ## Run the tests with every case of the long matrices
	@$(MAKE) --no-print-directory test ARGS="--thorough $(ARGS)"

check: $(READY) ## Check format, lint, types, imports, and that generated files are fresh
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTHON_BIN) scripts/manifests.py --check
	$(PYTHON_BIN) scripts/charts.py --check
	$(PYTHON_BIN) scripts/reference.py --check
	$(PYTHON_BIN) scripts/golden.py --check

manifests: $(READY) ## Generate the CRDs from the contract, and what charts, docs and editors take from code
	$(PYTHON_BIN) scripts/manifests.py
	$(PYTHON_BIN) scripts/charts.py
	$(PYTHON_BIN) scripts/reference.py

golden: $(READY) ## Refresh the golden files; look at the diff
	$(PYTHON_BIN) scripts/golden.py
	$(PYTHON_BIN) scripts/charts.py --golden

bench: $(READY) ## Measure against bare servers; ARGS="api worker start" for parts, ARGS=--help for options
	@scripts/tool.sh wrk wrk
	@$(if $(filter-out postgresql,$(filter api worker start scale postgresql,$(ARGS))),$(if $(filter postgresql,$(ARGS)),scripts/postgresql.sh,:),scripts/postgresql.sh)
	$(PYTHON_BIN) -m bench $(ARGS)

services-up: $(READY) ## Start the servers that the examples name, in Docker or as processes
	@$(PYTHON_BIN) scripts/services.py up

services-down: $(READY) ## Stop them; ARGS=--delete deletes their data
	@$(PYTHON_BIN) scripts/services.py down $(ARGS)

images: ## Build both images with docker, podman or buildah; BASE_IMAGE=... and ARGS="--build-arg ..." for options
	@BASE_IMAGE=$(BASE_IMAGE) scripts/images.sh $(ARGS)

images-test: images $(READY) ## Build both images, run them, and look at what they say
	$(PYTHON_BIN) -m pytest tests/images

images-ci: ## The same where this machine can do it; else say loudly what is left out
	@scripts/images_ci.sh
