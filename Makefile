# make help lists the targets.
#
# Variables of make up (on the command line or in the environment):
#   DETACH=1             return when all is ready, instead of waiting for Ctrl-C
#   WORKERS=1 BRIDGES=1  number of ingest pools and of MQTT bridges; again make up changes the set
#   SIMULATE=1           0 starts no simulated fleet
#   DEMO=1               0 gives the demo fleet no past, and allows no weak settings
#   MQTT_PORT=1883 MQTT_WS_PORT=9001 MQTT_TLS_PORT=8883 MQTT_SERVICE_PORT=8884
#   WEB_PORT=8000 ENROLMENT_PORT=8443 FLOWER_PORT=5555 POSTGRES_PORT=5433 REDIS_PORT=6380
#   DATABASE_URL, REDIS_URL, MQTT_HOST (with MQTT_PORT and the MQTT users and passwords)
#                        servers that run already; they are used and none is started
#   DEBIAN_MIRROR        where the servers' packages come from; else from where apt gets its own
#   and every setting of .env.example

.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh
.SHELLFLAGS := -euc
# Compiled code is kept, even where the shell says otherwise: else each start compiles all again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
PYTHON := $(VENV)/bin/python
STACK := exec $(PYTHON) -m compose.local

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r name words; do
	    printf '  make %-12s %s\n' "$$name" "$$words"
	done
	@echo 'Variables stand at the top of the Makefile.'

.PHONY: up
up: ## Install what is missing and start everything; Ctrl-C stops it (DETACH=1 returns)
	@compose/local/install base
	$(STACK) up

.PHONY: down
down: installed ## Stop everything; data is kept
	@$(STACK) down

.PHONY: status
status: installed ## Show every process and server, and the queues
	@$(STACK) status

.PHONY: logs
logs: installed ## Follow all logs, or one: make logs P=bridge-1
	@$(STACK) logs

.PHONY: clean
clean: installed ## Stop everything and delete its data (asks; YES=1 answers)
	@$(STACK) clean

.PHONY: distclean
distclean: ## Delete what was installed as well
	@if [ -x $(PYTHON) ] && [ -d .local ]; then $(PYTHON) -m compose.local distclean; fi
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

.PHONY: test
test: ## Install what tests need, check style and types, run every test (T= narrows pytest, in one process)
	@compose/local/install dev
	if [ "$$(id -u)" = 0 ]; then $(PYTHON) -m compose.local rootfs; fi
	$(MAKE) lint > .local/lint.log 2>&1 & lint=$$!
	tests=0
	$(PYTHON) -m pytest $(or $(T),--numprocesses 5 --dist loadfile --no-loadscope-reorder) || tests=$$?
	style=0
	wait $$lint || style=$$?
	cat .local/lint.log
	[ $$tests = 0 ] && [ $$style = 0 ]

.PHONY: unit
unit: ## Run the unit tests: they need no servers, and installing them takes the virtual environment alone
	@compose/local/install unit
	exec $(PYTHON) -m pytest $(or $(T),tests/unit --numprocesses 2 --dist loadfile --no-loadscope-reorder)

.PHONY: faults
faults: ## Simulate schedules of faults (N=20000 SEED=0), find the planted faults, check the protocol
	@$(PYTHON) -m tests.simulation --schedules $(or $(N),20000) --seed $(or $(SEED),0)
	$(PYTHON) -m tests.simulation --planted
	$(PYTHON) -m tests.protocol

.PHONY: bench
bench: ## Measure the system on servers of its own: make bench ARGS="drain --count 2000" (ARGS=-h: all)
	@compose/local/install base
	exec $(PYTHON) -m tests.bench $(ARGS)

.PHONY: chaos
chaos: ## Cause faults under load on a stack of its own: make chaos ARGS="--schedules 20 --seed 1"
	@compose/local/install base
	exec $(PYTHON) -m tests.chaos $(ARGS)

.PHONY: fuzz
fuzz: ## Check 20,000 hostile messages, then fuzz the decoder guided by coverage (S=600 seconds)
	@$(PYTHON) -m tests.fuzz hostile
	$(VENV)/bin/uv pip install --quiet --no-deps --target .local/fuzz \
	    'atheris==2.3.0; python_version < "3.12"' 'atheris==3.1.0; python_version >= "3.12"'
	PYTHONPATH=.local/fuzz exec $(PYTHON) -m tests.fuzz guided --seconds $(or $(S),600)

.PHONY: sbom
sbom: ## Write the software bill of materials (CycloneDX) of what runs to .local/sbom.json
	@$(VENV)/bin/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements \
	    requirements/base.txt --output-format JSON --output-file .local/sbom.json
	echo .local/sbom.json

.PHONY: audit
audit: ## Look for known vulnerabilities of what runs (asks PyPI; fails when it has no answer)
	@exec $(VENV)/bin/uv tool run --quiet --from pip-audit==2.10.1 pip-audit --strict --disable-pip \
	    --require-hashes --progress-spinner off --requirement requirements/base.txt

.PHONY: test-containers
test-containers: ## Run compose.yaml for real, with Docker or Podman: scale, kill, restart; the books must balance
	@compose/local/install dev
	exec $(PYTHON) -m tests.containers $(ARGS)

.PHONY: test-hosts
test-hosts: ## Run pools on two hosts (network namespaces), cut their links under load; the books must balance
	@compose/local/install base
	exec $(PYTHON) -m tests.hosts $(ARGS)

.PHONY: test-failover
test-failover: ## Lose the host of Redis's master, then of PostgreSQL's primary, under load (ARGS="redis --rate 500")
	@compose/local/install base
	exec $(PYTHON) -m tests.failover $(ARGS)

.PHONY: test-monitoring
test-monitoring: ## Scrape a running system with Prometheus, ask what the dashboard asks, cause each alert
	@compose/local/install base
	exec $(PYTHON) -m tests.monitoring

.PHONY: test-upgrade
test-upgrade: ## Upgrade from the release of a commit under load (BEFORE=COMMIT); no message lost, no error page
	@compose/local/install base
	exec $(PYTHON) -m tests.upgrade --before $(BEFORE) $(ARGS)

.PHONY: mutants
mutants: ## Change the code in small ways and list the changes that no unit test and no schedule notices
	@$(PYTHON) -m tests.mutation

.PHONY: lint
lint: ## Check style, types, what attackers use, missing migrations and compose.yaml
	@$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/bandit --configfile pyproject.toml --quiet --severity-level medium --recursive config telemetry workers ingest_bridge
	$(VENV)/bin/mypy .
	DJANGO_SETTINGS_MODULE=tests.settings $(PYTHON) manage.py makemigrations --check --dry-run
	$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose/compose.yaml
	if docker compose version >/dev/null 2>&1; then
	    mkdir -p .local
	    grep -o '{[A-Z_]*:?' compose/compose.yaml | sort -u | tr -d '{:?' | sed 's:$$:=/x:' > .local/compose.env
	    docker compose --env-file .local/compose.env --file compose/compose.yaml --profile '*' config --quiet
	else
	    echo 'Docker Compose is not installed: compose.yaml was checked against the schema only.'
	fi

.PHONY: format
format: ## Format the code
	@$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

.PHONY: env-example
env-example: ## Write .env.example from config/options
	@$(PYTHON) -m config.example > .env.example

.PHONY: messages
messages: ## Collect the texts of pages for translators (telemetry/locale)
	@compose/local/install dev
	DATABASE_URL=postgres://none/none REDIS_URL=redis://none SECRET_KEY=$$(head -c 40 /dev/zero | tr '\0' x) \
	    $(PYTHON) manage.py makemessages --locale pt_BR --no-obsolete --no-wrap --add-location file \
	    --ignore .venv --ignore .local --ignore tests --ignore compose

.PHONY: lock
lock: ## Compile requirements/*.in to locks with hashes
	@compose/local/install dev
	for name in base traces dev; do
	    $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	        --no-header --output-file requirements/$$name.txt requirements/$$name.in
	done

.PHONY: installed
installed:
	@if [ ! -x $(PYTHON) ]; then echo 'Nothing is installed here. make up installs and starts.'; exit 2; fi
