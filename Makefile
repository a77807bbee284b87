# The commands of the project; `make help` lists them. The environment is made on first use.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# python3 where its version is supported, else the newest supported one
PYTHON ?= $(or $(filter $(shell python3 -c 'import sys; print(sys.executable)' 2>/dev/null),$(PYTHONS)),$(lastword $(PYTHONS)))
PYTHONS = $(filter /%,$(shell .ci/pythons))
VENV := .venv
BIN := $(VENV)/bin
# The tests start hundreds of processes: without compiled modules, each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE
READY := $(VENV)/.ready


# Images and the cluster on this machine. Optional: BASE_IMAGE, TORCH_INDEX (an index with CPU builds of torch) and KIND_NODE_IMAGE
# (default: kind's own), as in `make images TORCH_INDEX=https://download.pytorch.org/whl/cpu`.
ENGINE ?= $(shell docker info >/dev/null 2>&1 && echo docker || echo podman)
IMAGES := $(shell sed -n 's/^- name: //p' charts/files/components.yaml) cli
TAG ?= $(shell sed -n 's/^appVersion: //p' charts/Chart.yaml)
RELEASE ?= $(shell sed -n 's/^appVersion: //p' charts/Chart.yaml)
HELM ?= helm
BUILD := nice $(ENGINE) build $(if $(filter podman,$(ENGINE)),--network host) --build-arg VERSION=$(TAG) \
  --build-arg LOCKED=$(shell cat requirements.lock pyproject.toml images/* | sha256sum | cut -c1-12) \
  $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) $(if $(TORCH_INDEX),--build-arg TORCH_INDEX=$(TORCH_INDEX))
KIND_CONFIG ?= kind-config.yaml
KIND_VALUES := k8s/kind/values.yaml
kind-%: export KIND_EXPERIMENTAL_PROVIDER ?= $(if $(filter podman,$(ENGINE)),podman)

.PHONY: help setup dist demo monitor test test-long test-runs check format lock faults soak fuzz bench asr-model voice-models sbom audit clean
.PHONY: images images-gpu images-models images-ytdlp kind kind-up kind-load kind-install kind-test kind-down

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(READY) ## install everything into .venv, in the versions of requirements.lock

$(READY): requirements.lock pyproject.toml
	@test "$$(uname -s)" = Linux || { echo "the local mode runs on Linux only"; exit 1; }
	@test -n "$(PYTHON)" || { echo "no Python 3.11 to 3.14 with venv; on Debian: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys, venv, ensurepip; print("Python", sys.version.split()[0], sys.executable); sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11 or has no venv; on Debian: apt-get install python3 python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check 'uv==0.13.8'
	@# compiled once here: without it, imports of torch take three times as long in every process of a first run
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -c requirements.lock \
	  -r pyproject.toml --extra dev $(if $(wildcard /dev/nvidiactl),--extra gpu)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(READY)

dist: $(READY) ## build the wheel: dist/ingest-*.whl
	rm -rf dist
	$(BIN)/hatchling build --target wheel --directory dist

demo: $(READY) ## run the demonstration: offline, in a minute
	$(BIN)/ingest demo

monitor: $(READY) ## run the demonstration under Prometheus (and Grafana, where it is installed)
	$(BIN)/python -m monitoring.monitor

# Tests wait half of the time, so four processes keep two processors busy. All tests of a file run in one process, with its
# servers and models. Threads of torch must not spin while they wait: beside other processes, spinning takes most of the time.
WORKERS ?= 4
TESTS ?= # a part of the tests, as in TESTS=tests/unit
PYTEST := OMP_WAIT_POLICY=passive $(BIN)/pytest --numprocesses $(WORKERS)

test: $(READY) ## run the tests, without those of test-long
	$(PYTEST) --dist loadfile --no-loadscope-reorder $(TESTS)

test-long: $(READY) ## run the long tests: whole runs with faults, restarts or measurements
	$(PYTEST) --dist worksteal -m long
	$(BIN)/pytest -m alone

test-runs: $(READY) ## run whole runs of the local mode with the volume in a home (VOLUME=folder|s3|jetstream)
	E2E_VOLUME=$(VOLUME) $(PYTEST) --dist loadfile -m "not alone" tests/e2e

check: $(READY) ## run what CI runs first: format, lint, types, import rules, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) --dist loadfile --no-loadscope-reorder

format: $(READY) ## format the code, and apply automatic fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

PACKAGES ?= # only these, as in PACKAGES="yt-dlp yt-dlp-ejs"; without it, all
lock: ## renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra gpu --extra youtube --universal --python-version 3.11 --generate-hashes \
	  --fork-strategy fewest $(or $(addprefix --upgrade-package ,$(PACKAGES)),--upgrade) --no-emit-index-url --no-header --quiet -o requirements.lock

ROUNDS ?= 3
SEED ?= 1
VOLUME ?= folder
faults: $(READY) ## inject every fault into a pipeline, and print the results (ROUNDS=3 SEED=1 ONLY= VOLUME=folder|s3|jetstream)
	$(BIN)/python -m tests.faults --rounds $(ROUNDS) --seed $(SEED) --only '$(ONLY)' --home $(VOLUME)

fuzz: MINUTES = 10
fuzz: $(READY) ## read damaged and hostile inputs, and print what breaks a property (MINUTES=10 SEED=1)
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) --seed $(SEED)

# Tools of the supply chain, each in an environment of its own that uv keeps: they are no part of the product's lock.
SBOM := cyclonedx-bom==7.5.0
AUDIT := pip-audit==2.10.1

sbom: $(READY) ## write the bill of materials of the environment: dist/sbom.json (CycloneDX; fetches its tool)
	mkdir -p dist
	$(BIN)/uvx --from '$(SBOM)' cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml \
	  --output-reproducible --of JSON -o dist/sbom.json
	@$(BIN)/python -c 'import json; print(len(json.load(open("dist/sbom.json"))["components"]), "packages in dist/sbom.json")'

audit: $(READY) ## look for known holes in the locked packages (needs https://pypi.org)
	$(BIN)/uvx '$(AUDIT)' --require-hashes --disable-pip --strict -r requirements.lock

MINUTES ?= 30
soak: $(READY) ## run a pipeline while a fault is injected every minute (MINUTES=30 SEED=1)
	$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) --seed $(SEED)

bench: $(READY) ## print the first figures of docs/figures.md
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.batching
	$(BIN)/python -m bench.copy_rows

asr-model: $(READY) ## train the miniature recognizer again (hours; needs espeak-ng and flite)
	$(BIN)/python -m training.asr_train
	$(BIN)/python -m training.asr_convert

voice-models: $(READY) ## train the miniature voice models again (an hour; needs espeak-ng and flite)
	$(BIN)/python -m training.voice_train
	$(BIN)/python -m training.segmentation_train
	$(BIN)/python -m training.voices_export
	$(BIN)/python -m training.voices_calibrate

images: ## build the images for machines without graphics card
	for name in $(IMAGES); do $(BUILD) --file Dockerfile.cpu --target $$name --tag localhost/ingest-$$name:$(TAG) . || exit 1; done
	@$(ENGINE) images --format '{{.Repository}}:{{.Tag}}  {{.Size}}' | grep '^localhost/ingest-.*:$(TAG) '

images-ytdlp: ## renew yt-dlp in the image of the downloader: a small layer on the one of RELEASE (TAG=0.1.0-ytdlp1)
	@test "$(TAG)" != "$(RELEASE)" || { echo "name the new image: make images-ytdlp TAG=$(RELEASE)-ytdlp1"; exit 1; }
	$(BUILD) --file Dockerfile.cpu --target ytdlp --build-arg DOWNLOADER=localhost/ingest-downloader:$(RELEASE) \
	  --tag localhost/ingest-downloader:$(TAG) .

# The settings that name the models, their roles, and the token of the hub, if they need one (TOKEN_FILE).
SERVICE ?= asr
MODELS ?= INGEST_ASR_MODEL=distil-large-v3
ROLES ?= recognizer
comma := ,
images-models: ## add models to an image of RELEASE (SERVICE=asr MODELS=INGEST_ASR_MODEL=small ROLES=recognizer TAG=0.1.0-models)
	@test "$(TAG)" != "$(RELEASE)" || { echo "name the new image: make images-models TAG=$(RELEASE)-models"; exit 1; }
	$(BUILD) --file Dockerfile.cpu --target models --build-arg SERVICE=localhost/ingest-$(SERVICE):$(RELEASE) \
	  --build-arg ROLES="$(ROLES)" --build-arg MODELS="$(MODELS)" $(if $(TOKEN_FILE),--secret id=ingest_diarization_token$(comma)src=$(TOKEN_FILE)) \
	  --tag localhost/ingest-$(SERVICE):$(TAG) .

images-gpu: ## build the images for CUDA: asr and embedder
	for name in asr embedder; do \
	  $(BUILD) --file Dockerfile.gpu --target $$name --tag localhost/ingest-$$name:$(TAG)-cuda . || exit 1; done
	@$(ENGINE) images --format '{{.Repository}}:{{.Tag}}  {{.Size}}' | grep '^localhost/ingest-.*:$(TAG)-cuda '

kind: ## build the images, create a cluster, install the chart in it, and test it
	for step in images kind-up kind-load kind-install kind-test; do $(MAKE) $$step || exit 1; done

kind-up: ## create a Kubernetes cluster on this machine, unless it is there
	mkdir -p .kind/data && chmod 1777 .kind/data
	kind get clusters 2>/dev/null | grep -qx ingest || \
	  kind create cluster --config $(KIND_CONFIG) $(if $(KIND_NODE_IMAGE),--image $(KIND_NODE_IMAGE)) --wait 120s

# As `kind load` does it, but without an archive on disk, and a node keeps its images unpacked only: a third of the room.
CTR := $(ENGINE) exec --privileged --interactive $$node ctr --namespace k8s.io
kind-load: ## load the images into every node of the cluster
	set -o pipefail; for node in $$(kind get nodes --name ingest 2>/dev/null); do \
	  $(ENGINE) save $(if $(filter podman,$(ENGINE)),--multi-image-archive --quiet) $(IMAGES:%=localhost/ingest-%:$(TAG)) | \
	  $(CTR) images import --all-platforms --digests --snapshotter overlayfs - && $(CTR) content prune references || exit 1; done

kind-install: ## install the chart in the cluster, with the miniature models, and wait until it is ready
	$(HELM) upgrade --install ingest charts/ --namespace ingest --create-namespace --values $(KIND_VALUES) $(if $(KIND_MORE),--values $(KIND_MORE)) --wait --timeout 10m

kind-test: ## send a recording through the cluster, and find it by search
	$(HELM) test ingest --namespace ingest --logs --timeout 10m

kind-down: ## delete the cluster and its data
	@# the shared folder belongs to the users of the pods: the user of this command may not be allowed to empty it
	-$(ENGINE) exec ingest-control-plane find /ingest-data -mindepth 1 -delete 2>/dev/null
	kind delete cluster --name ingest
	rm -rf .kind

clean: ## delete everything that the other commands can make again
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
