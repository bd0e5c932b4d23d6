# Everything is done from here; `make` alone lists it. `make demo` and `make test` set up what they
# need on a machine that has nothing but Python 3.11 or later and make.

BIN := .venv/bin
SERVICES := catalog inventory notifications pricing
# Three whole ones, and one that is broken off: `make chaos` plays them.
OTHER_FILMS := tests/e2e/test_demo.py::test_the_whole_film
# Two more than processors, six at most: tests wait for servers and processes.
WORKERS = $(shell $(BIN)/python -c "import os; print(min((os.cpu_count() or 1) + 2, 6))")
# What is tried far longer by `make chaos`.
LONGER := tests/strangler/transfer/model tests/strangler/events tests/strangler/saga \
	tests/strangler/django/saga
# What counts what was lost or done twice: it has no second chance. Other tests that wait for
# processes may fail where a machine is busy: three of them may be tried once more, and what failed
# first is shown.
COUNTS := tests/chaos tests/e2e $(wildcard tests/*/*/test_race.py) \
	tests/monolith/notifications/test_killed.py tests/monolith/ordering/test_deaths.py \
	tests/strangler/django/control_plane/test_races.py tests/strangler/django/saga \
	tests/strangler/django/transfer/test_lease_races.py tests/strangler/events/test_crash.py \
	tests/strangler/events/test_taking.py tests/strangler/saga tests/strangler/transfer/model
AGAIN := --reruns 1 --max-suite-reruns 3 --rerun-show-tracebacks \
	$(COUNTS:%=--rerun-exclude-path %)
ON_CURRENT_NGINX := PATH="$(CURDIR)/var/servers/nginx-current:$$PATH"
LOCK := $(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate

# Else each of the many processes that a test starts would compile the project for itself.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test journeys chaos dev lint contracts bench lock secrets clean servers

help: # List what there is to make
	@grep -E '^[a-z]+:.*#' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*# /\1\t/' | expand -t 12

demo: .venv/demo # Capabilities climb and come back under traffic [EDGE=nginx DATABASE=postgres BUS=redis STAY=1]
	$(BIN)/python -m demo

test: lint servers # Lint, then every test but the journeys, on real servers
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(AGAIN) -m "not journey"

journeys: .venv/dev servers # What takes the whole shop or many processes: the film, both arms, deaths, the docs' commands
	$(BIN)/pytest -n $(WORKERS) --dist worksteal $(AGAIN) -m journey --deselect $(OTHER_FILMS)

chaos: .venv/dev servers # Kill and stop everything at every step, and the edge on a newer NGINX too, for an hour
	STRANGLER_CHAOS=1 $(BIN)/pytest -n auto --maxprocesses 2 tests/chaos $(LONGER)
	STRANGLER_CHAOS=1 $(BIN)/pytest -n auto --maxprocesses 2 -m hypothesis tests/contracts tests/extracted \
		tests/monolith tests/strangler $(LONGER:%=--ignore %)
	STRANGLER_CHAOS=1 $(BIN)/pytest tests/e2e/listening tests/e2e/rehearsing tests/e2e/transfer
	$(BIN)/pytest tests/e2e/test_demo.py -k the_whole_film
	$(BIN)/python -m tests.chaos
	$(BIN)/python -m tests.chaos.events
	requirements/nginx-current.sh
	$(ON_CURRENT_NGINX) ROLLING_ROUNDS=5 $(BIN)/pytest tests/router \
		tests/strangler/agent tests/strangler/routing/edge tests/strangler/routing/test_cohorts.py \
		tests/strangler/django/edge/test_nginx.py
	$(ON_CURRENT_NGINX) $(BIN)/pytest tests/e2e/test_demo.py -k "the_whole_film and nginx and sqlite"

dev: .venv/dev # The shop on http://127.0.0.1:8000, with something to sell in it
	$(BIN)/python manage.py runserver

lint: .venv/dev # Style, types, import rules, frozen contracts and the compiled edge
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --num-workers 2
	$(BIN)/lint-imports
	$(BIN)/strangler compile nginx --check
	$(BIN)/strangler contracts check $(addprefix --against ,$(shell .ci/base))

contracts: .venv/dev # Freeze what crosses a boundary, after a change that is meant
	$(BIN)/strangler contracts freeze

bench: .venv/dev servers # Measure us beside our peers; var/bench/report.json
	requirements/peers.sh
	requirements/nginx-current.sh
	$(BIN)/python -m tests.bench

lock: .venv/dev # Pin and hash what each environment installs, after a change to pyproject.toml
	$(LOCK) -o requirements/dev.txt --extra monolith --extra agent --extra kafka $(SERVICES:%=--extra %) --group dev
	$(LOCK) -o requirements/demo.txt --extra monolith $(SERVICES:%=--extra %) --group demo -c requirements/dev.txt
	$(LOCK) -o requirements/monolith.txt --extra monolith -c requirements/dev.txt
	$(LOCK) -o requirements/edge.txt --extra agent -c requirements/dev.txt
	$(foreach service,$(SERVICES),$(LOCK) -o requirements/$(service).txt --extra $(service) \
		-c requirements/dev.txt &&) true

secrets: .venv/demo # Make the keys and passwords that compose.yaml mounts, in var/secrets
	requirements/secrets.sh

clean: # Remove what was installed, built or written at run time
	rm -rf .venv var dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

servers:
	requirements/servers.sh

.venv/demo .venv/dev: .venv/%: requirements/%.txt pyproject.toml requirements/venv.sh
	requirements/venv.sh $*
