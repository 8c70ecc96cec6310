# A menu: `make` alone lists it. Every line is one command of the harness; uv brings what it needs, nothing is installed
# globally.
UV := sh bin/uv
RUN := $(UV) run --frozen --all-groups --no-group docs --no-group go --no-group mutation

.DEFAULT_GOAL := help
.PHONY: help chaos crash docs doctor down format images lint mutants mutants-worlds nightly test unit up

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | sed 's/:.*## /\t/' | expand -t 16

chaos: up ## from a bare machine to judged experiments on the default stack
	$(RUN) pytest -m chaos

crash: up ## the harness shot in each phase of a run, for each kind of fault: an hour and a half
	$(RUN) pytest -m crash

docs: ## the documents as a site, in site/; a link that leads nowhere ends it
	$(UV) run --frozen --group docs env NO_MKDOCS_2_WARNING=1 mkdocs build --strict

doctor: ## what is missing and what each step will do
	$(RUN) harness doctor

down: ## remove the stack; cached images stay
	$(RUN) harness down

format: ## put the code into its form
	$(RUN) ruff format
	$(RUN) ruff check --fix

images: ## every image, pulled or built, and nothing started
	$(RUN) harness images --yes

lint: ## style, types, import contracts
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(RUN) lint-imports

mutants: ## plant defects in the judge, and count those that no test finds
	$(UV) run --frozen --group mutation mutmut run

mutants-worlds: ## the same defects, with simulated worlds alone as test
	rm -rf reports/mutants-worlds && mkdir -p reports/mutants-worlds
	git archive HEAD | tar -x -C reports/mutants-worlds
	cd reports/mutants-worlds && sed -i 's|"tests/unit/judge", "tests/unit/schedule"|"tests/unit/test_worlds.py::test_the_judge_agrees_with_the_truth"|' pyproject.toml \
		&& WORLDS=1500 sh bin/uv run --frozen --group mutation mutmut run

nightly: up ## every experiment on every stack, or on STACKS="..."; PART=1/2 takes every other one; MUTANTS=1/7 adds a seventh of the mutants
	$(RUN) pytest -m "chaos and nightly" $(STACKS:%=--stack=%) $(PART:%=--part=%) --junitxml=reports/nightly.xml
	$(RUN) harness up --yes && $(RUN) pytest -m "roles or foreign or paired or long"
	$(if $(MUTANTS),$(RUN) harness mutants --part=$(MUTANTS))

test: lint docs ## all tests: lint, documents, unit and property tests, those on the real stack, and three planted defects
	$(MAKE) -j2 unit images
	$(MAKE) up
	AIRFLOW_CHAOS_SKIP_SLOW=1 $(RUN) pytest -m "(stack or smoke) and not roles and not crash and not foreign and not paired and not long"
	rm -f reports/quick/kill-matrix.json
	AIRFLOW_CHAOS_SKIP_SLOW=1 AIRFLOW_CHAOS_REPORTS=reports/quick $(RUN) harness mutants --quick --no-controls

unit: ## unit and property tests; needs no cluster
	$(RUN) pytest -m "not stack and not chaos"

up: ## from a bare machine to a steady stack
	$(RUN) harness up --yes
