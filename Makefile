# The commands of courier.mail. Each does its own set-up; nothing has to be run before it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

RELEASE ?= trixie
BED := molecule/shared

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.cache/collections
export ANSIBLE_HOME := $(CURDIR)/.cache/ansible
export MOLECULE_GLOB := molecule/*/molecule.yml
export RELEASE
export ANSIBLE_CONNECTION_PLUGINS := $(CURDIR)/$(BED)/connection_plugins
# What the tests found, for whoever counts.
export REPORTS := $(CURDIR)/.cache/reports

.PHONY: help
help:  ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: demo demo-info demo-down
demo: python engine  ## Provision a mail server in a container and send mail through it
	@$(BED)/demo.sh

demo-info: python  ## Say where the demo host is, as JSON
	@python $(BED)/demo.py --info

demo-down: python engine  ## Remove the demo host
	@$(BED)/demo.sh down

# The bed of inventories/example takes longest. What else there is takes what it leaves of the processors.
SCENARIOS := tarbaby zdkimfilter adopt backup upgrade testing
BESIDE := $(foreach scenario,$(SCENARIOS),"molecule test --scenario-name $(scenario)")

.PHONY: test lint unit sanity molecule
test: python engine tools  ## Everything that must hold
	@$(BED)/beside.sh "molecule test" "make lint" "make unit" "make sanity" $(BESIDE)

lint: python  ## Style and types
	yamllint --strict .
	ansible-lint
	ruff check .
	ruff format --check .
	mypy
	antsibull-changelog lint
	antsibull-docs lint-collection-docs --plugin-docs .

unit: python tools  ## Tables of what each format may say
	pytest -n 2 -q --junitxml=$(REPORTS)/unit.xml

sanity: python tools  ## Ansible's own checks of the collection
	@$(BED)/sanity.sh

molecule: python engine tools  ## Conversations with real mail servers
	@$(BED)/beside.sh "molecule test" $(BESIDE)

.PHONY: bench
bench: python engine  ## Measure speed and scale, compared with others in the same run
	python -m tests.bench.bench

.PHONY: python tools engine
python:
	@$(BED)/python.sh

tools:
	@$(BED)/tools.sh

engine:
	@$(BED)/engine.sh
