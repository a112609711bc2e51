# Every command of the project; each is a script in scripts/. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Arguments after the name of a command, for example: make stage STAGE=build_model ARGS="--run-id demo"
ARGS ?=
STAGE ?=
SOURCE ?=
CSV ?=
TARGET ?=
RUN ?=
# WSL names the machine so.
ifeq ($(origin NAME),environment)
NAME :=
endif
export SOURCE CSV NAME TARGET RUN

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' "$(firstword $(MAKEFILE_LIST))" | sed -E 's/:[^#]*## /\t/' \
		| awk -F '\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'

.PHONY: run predict up down status logs airflow stage contract publish rollback verify smtp-test rotate bench bench-full
run: ## from nothing to a finished pipeline run with its results (SOURCE=data/other.csv takes another file)
	@scripts/run.sh $(ARGS)

predict: ## the clicks of a new file by the published model: SOURCE=data/new.csv (DATASET=...)
	@scripts/predict.sh

up: ## start the services: Airflow, the monitor, the mailbox
	@scripts/up.sh $(ARGS)

down: ## stop the services; runs, model and database stay
	@scripts/down.sh $(ARGS)

status: ## what runs, where its pages are, and how the newest run went
	@scripts/status.sh $(ARGS)

logs: ## the services' logs (ARGS="airflow-scheduler" for one of them)
	@scripts/logs.sh $(ARGS)

airflow: ## a command of Airflow's own: ARGS="dags list"
	@scripts/airflow.sh $(ARGS)

stage: ## one stage by hand, without Airflow: STAGE=build_model ARGS="--run-id demo"
	@scripts/stage.sh "$(STAGE)" $(ARGS)

contract: ## draft the data contract of a file on the volume: CSV=data/x.csv (NAME=..., TARGET=...)
	@scripts/contract.sh

publish: ## publish the model of a finished run by hand: RUN=<run id>
	@scripts/publish.sh

rollback: ## publish again what was published before the model in use
	@scripts/rollback.sh

verify: ## is the chain from the published model back to its data whole? (RUN=... for another run's)
	@scripts/verify.sh

smtp-test: ## send a mail through the server that .env names, and say what it answered
	@scripts/smtp-test.sh $(ARGS)

rotate: ## a new value for a secret of .env, everywhere: SECRET=AIRFLOW_ADMIN_PASSWORD
	@scripts/rotate.sh $(SECRET)

bench: ## measure in quick sizes, and write the figures to benchmarks/ (ARGS="data" for one case)
	@scripts/bench.sh $(ARGS)

bench-full: ## the same with ten million rows and other orchestrators, about an hour
	@scripts/bench.sh --full $(ARGS)

.PHONY: worker worker-settings images-save images-load
worker: ## on a worker host of a cluster: start what runs the stages there (ARGS=down stops it)
	@scripts/worker.sh $(ARGS)

worker-settings: ## on the control host of a cluster: the settings file of its worker hosts
	@scripts/worker_settings.sh

images-save: ## the images that a worker host needs in one file, and its checksum (ARGS=/media/images.tar.gz)
	@scripts/images_save.sh $(ARGS)

images-load: ## give the engine the images of that file
	@scripts/images_load.sh $(ARGS)

.PHONY: engine env base-images images spark venv lock
engine: ## a Docker engine with compose v2 and buildx: the one that is there, or the distribution's
	@scripts/engine.sh

env: ## .env with random secrets, and the shared volume's folders
	@scripts/env.sh

base-images: engine env ## the Python and PostgreSQL images: pulled, or built from Debian's packages
	@scripts/base_images.sh

images: base-images ## build every image (ARGS="build_model" for one of them)
	@scripts/images.sh $(ARGS)

spark: base-images ## build the image of build_model_spark, which is large and wanted by few
	@scripts/images.sh build_model_spark

venv: ## .venv, in which stages, monitor, tests and tools run without Docker
	@scripts/venv.sh

lock: ## resolve all requirements.in and the monitor's package.json anew and write the locks
	@scripts/lock.sh

.PHONY: sbom audit
sbom: venv ## what each image is made of, to .build/sbom/<image>.json (ARGS="build_model" for one of them)
	@scripts/sbom.sh $(ARGS)

audit: venv ## look every package of the locks up in the database of known vulnerabilities
	@scripts/audit.sh

.PHONY: test drills soak fuzz lint tables messages screenshots clean
test: ## everything that CI does, from nothing (ARGS="-k gate" goes to pytest)
	@scripts/test.sh $(ARGS)

drills: ## break things on purpose, and write how that went to docs/reliability.md (ARGS="-k scheduler")
	@scripts/drills.sh $(ARGS)

soak: ## an hour of runs while parts of the stack are killed at random (SOAK_MINUTES=10)
	@scripts/soak.sh $(ARGS)

fuzz: ## random data files for load_data, until one breaks a promise or FUZZ_SECONDS=600 are over
	@scripts/fuzz.sh

lint: venv ## style, format, types, Dockerfiles, and a search for secrets
	@scripts/lint.sh

tables: venv ## write the tables of the documents from the contracts and the drills
	@.venv/bin/python3 scripts/generate_tables.py

messages: venv ## gather the monitor's texts into the catalogs of its translations
	@.venv/bin/python3 scripts/messages.py

screenshots: venv ## take the README's pictures (ARGS="http://localhost:5001" for another monitor)
	@.venv/bin/python3 scripts/screenshots.py $(ARGS)

clean: ## delete what tools made in the checkout: .venv, caches, build logs; no data, no settings, no image
	@rm -rf .venv .build .test images/monitor/static/vendor images/monitor/translations/*/LC_MESSAGES/*.mo .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -path ./.git -prune -o -name __pycache__ -type d -exec rm -rf {} +
	@echo "clean: done"
