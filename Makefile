# Verbs for fingers; what they do is in harness/ and toolchain/.
PYTHON := .venv/bin/python
HARNESS := $(PYTHON) -m harness
BOARD ?= virt
MODEL ?=
PROMPT ?=
export PROMPT
ARGS ?=
PYTEST := $(PYTHON) -m pytest -q --dist loadfile
# Without kept bytecode each worker and each process that a test starts compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE
IMAGE_ARGS = $(if $(MODEL),-m "$(MODEL)") --board $(BOARD)
PROMPT_ARGS = $(if $(PROMPT),-p "$$PROMPT")

.DEFAULT_GOAL := help
.PHONY: help run chat test check static unit format build evaluate verify golden clean setup-run setup-test

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  MODEL=x.gguf PROMPT="Once upon a time" BOARD=$(BOARD) ARGS="-n 64 --temp 0"'
	@echo "  boards: $(notdir $(basename $(wildcard images/boards/*.toml)))"

# A person at a terminal who asks nothing yet wants to talk.
run: setup-run ## boot the image in QEMU: answer PROMPT, or talk with whoever sits at the terminal
	@if [ -z "$$PROMPT$(findstring --json,$(ARGS))" ] && [ -t 0 ] && [ -t 1 ]; \
	then $(HARNESS) chat $(IMAGE_ARGS) $(ARGS); \
	else $(HARNESS) run $(IMAGE_ARGS) $(PROMPT_ARGS) $(ARGS); fi

chat: setup-run ## boot the image in QEMU and talk to it
	@$(HARNESS) chat $(IMAGE_ARGS) $(ARGS)

build: setup-run ## GGUF in, bootable image out
	@$(HARNESS) build $(IMAGE_ARGS) $(ARGS)

evaluate: setup-run ## ask fifty prompts that the model has never seen
	@$(HARNESS) evaluate $(IMAGE_ARGS) $(ARGS)

verify: setup-run ## compare the kernel's tokens with the NumPy reference
	@$(HARNESS) verify $(IMAGE_ARGS) $(PROMPT_ARGS) $(ARGS)

check: setup-test ## what must be green before a commit: format, lint, types, unit tests
	@$(MAKE) --no-print-directory -j 2 static unit # mypy has use for one core only

static: setup-test
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m toolchain.format --check
	$(PYTHON) -m mypy

unit: setup-test
	$(PYTEST) -n $$(($$(nproc) + 1)) -m "not target and not slow" # a worker more than cores: some tests wait

test: check ## everything: also boots images in QEMU
	$(PYTEST) -n auto -m "target or slow"

format: setup-test ## rewrite Python and C in the project's format
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m toolchain.format

golden: setup-test ## rewrite tests/golden from what is generated now; review the diff
	BAREWORD_GOLDEN=rewrite $(PYTHON) -m pytest -q tests/harness/codegen

clean: ## remove everything that was made
	rm -rf build .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

setup-run:
	@toolchain/setup.sh run

setup-test:
	@toolchain/setup.sh test
