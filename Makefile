# Everything that one does with this repository. `make` prints what there is.
# What is downloaded stays in node_modules, and one nats-server in ~/.cache/sandlot; nothing global is installed.

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Node 24 comes with node_modules; the system's may be another.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

installed := node_modules/.package-lock.json
built := services/standalone/dist/.built
# Folders too: a file that was deleted shows only there.
sources := $(shell find libs/*/src services/*/src tools/*/src runtime/src \( -type d -o -name '*.ts' -o -name '*.json' \) 2>/dev/null) \
  $(wildcard tsconfig*.json libs/*/tsconfig.json services/*/tsconfig.json tools/*/tsconfig.json runtime/tsconfig.json)

.PHONY: help up cluster install build check test test-fast docs docker-build kind-load k8s-deploy k8s-logs clean distclean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

up: $(built) ## install and build what is missing, then start everything; Ctrl-C ends it
	@exec scripts/up.sh

cluster: $(built) ## a Kubernetes on this machine to try things on, until Ctrl-C; its kubeconfig is .cache/kubeconfig
	@exec node tools/testbed/dist/main.js .cache/kubeconfig $(if $(AGENT_SANDBOX),--agent-sandbox)

install: $(installed) ## the dependencies, as package-lock.json has them
	@:

build: $(built) ## compile what has changed
	@:

check: $(installed) ## formatting, lint, import rules, generated documents, lockfile, types
	@exec scripts/check.sh

test: ## every test of every tier; installs and builds first
	@exec scripts/test.sh

test-fast: $(installed) ## only the pure specs, which start nothing
	@exec scripts/test.sh --fast

docs: $(built) ## write docs/reference anew from the code
	@node scripts/generate-reference.mjs

# Where the images are, and under which tag.
REGISTRY ?=
TAG ?= 0.1.0
KIND_CLUSTER ?= sandlot
NAMESPACE ?= sandlot
images = $(foreach name,platform sandbox,$(if $(REGISTRY),$(REGISTRY)/)sandlot/$(name):$(TAG))

revision = $(shell git rev-parse HEAD)

docker-build: ## both images; REGISTRY=registry.example.com TAG=0.1.0
	@docker build --target platform --build-arg VERSION=$(TAG) --build-arg REVISION=$(revision) -t $(firstword $(images)) .
	@docker build --target sandbox --build-arg VERSION=$(TAG) --build-arg REVISION=$(revision) -t $(lastword $(images)) .

kind-load: ## the images into a cluster of kind; KIND_CLUSTER=sandlot
	@kind load docker-image --name $(KIND_CLUSTER) $(images)

k8s-deploy: ## install or upgrade with Helm in the cluster that kubectl reaches; NAMESPACE=sandlot
	@scripts/deploy-all.sh --namespace $(NAMESPACE) $(if $(REGISTRY),--set global.imageRegistry=$(REGISTRY)) --set image.tag=$(TAG)

k8s-logs: ## what the services there say, as they say it
	@kubectl logs -n $(NAMESPACE) -l app.kubernetes.io/part-of=sandlot --all-containers --prefix --max-log-requests 20 -f

clean: ## remove what was built
	@rm -rf $(wildcard libs/*/dist services/*/dist tools/*/dist) runtime/dist coverage .cache/tests.json

distclean: ## remove everything that git does not know, the platform's data too; asks first
	@exec scripts/distclean.sh

$(installed): package-lock.json
	@exec scripts/install.sh

$(built): $(installed) $(sources)
	@exec scripts/build.sh
