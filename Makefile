# `make` alone prints what there is. Every target makes what it needs first.

DATA ?= auto
PRESET ?= paper
RUN ?= runs/$(PRESET)$(SIZE:%=_%)
EPOCHS ?=
FACES ?=
PART ?=
SIZE ?=
STRATEGY ?=
START ?=
PYTHON ?=
PHOTO ?=
MASK ?=
OUT ?= restored.png
EYES ?=
REFERENCE ?=
PORT ?=

VENV := .venv/installed
PY := .venv/bin/python
quoted = '$(subst ','\'',$(1))'
ASKED := $(filter-out file,$(origin RUN) $(origin PRESET) $(origin SIZE))
WHAT = --data $(call quoted,$(DATA)) --run $(call quoted,$(RUN))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help train weights test evaluate readme variations restore paint notebooks lab bench lint clean

help:  ## this page
	@echo 'Repair damaged faces with a U-Net GAN. Two commands for a fresh machine: make train, make test.'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  DATA=PATH      an archive or a folder of images, or sample, tfds; else what is found, at least the sample'
	@echo '  PRESET=NAME    the experiment: paper, or a variation of it'
	@echo '  EPOCHS=N SIZE=PIXELS   instead of those in the preset; the side of the picture: 64, 96, 128, 256'
	@echo '  STRATEGY=NAME  mirrored: all GPUs of this machine; multiworker: the machines in TF_CONFIG; else one device'
	@echo '  RUN=FOLDER START=FOLDER   where training writes and evaluation reads, else runs/PRESET; whose generator it starts with'
	@echo '  PHOTO= MASK= OUT= EYES=X1,Y1,X2,Y2   what to restore, white where damaged, into what, the eyes in it'
	@echo '  REFERENCE=OTHER PORT=N   another photo of the same person, for detail; where the page of paint is served'
	@echo '  FACES=N PART=test   of variations: fewer faces, as a rehearsal; at last, the test faces'
	@echo '  PYTHON=PATH    the Python, 3.11 to 3.13, for .venv. NVIDIA GPU: see the top of requirements.txt'
	@echo 'For example: make train DATA=faces.zip EPOCHS=15. All options: .venv/bin/python -m faceinpaint --help'

train: $(VENV)  ## train on DATA into RUN, going on where an earlier run stopped; minutes on the sample
	$(PY) -m faceinpaint train --preset $(call quoted,$(PRESET)) $(WHAT) \
		$(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(SIZE),--size $(SIZE)) $(if $(STRATEGY),--strategy $(STRATEGY)) \
		$(if $(START),--start $(call quoted,$(START)))

# In two processes, for much of it is one core at work: a file of tests is one process's, so its fixtures are made once.
test: $(VENV)  ## run the tests; they need no data
	$(PY) -m pytest --numprocesses 2 --dist loadfile

# Four trainings, each begun with the generator of the one before it. All go on where an earlier try stopped.
weights: $(VENV)  ## make what comes with the package, from nothing: four trainings on CelebA, hours
	$(if $(filter auto sample,$(DATA)),$(error for example: make weights DATA=img_align_celeba.zip))
	@echo 'About seven hours on two cores: paper, 35 epochs of 19,000 faces; finetuned and parts, 40 each; octave, 10 of twice the side.'
	@echo 'Into runs/weights, then into faceinpaint/weights. Stop it whenever you like: the same command goes on.'
	$(STAGE) --preset paper --epochs 35 --run runs/weights/paper
	$(STAGE) --preset finetuned --start runs/weights/paper --run runs/weights/finetuned
	$(STAGE) --preset parts --start runs/weights/finetuned --run runs/weights/parts
	$(STAGE) --preset octave --start runs/weights/parts --run runs/weights/octave
	$(PY) -c 'from faceinpaint.lite import export; [export.publish(f"runs/weights/{run}") for run in ("parts", "octave")]'
STAGE = $(PY) -m faceinpaint train --data $(call quoted,$(DATA))

# A run by the validation faces, on which choices are made. The weights that come with the package by the test faces.
MEASURED = $(if $(ASKED)$(wildcard $(RUN)),--run $(call quoted,$(RUN)),--part test)
evaluate: $(VENV)  ## measure RUN, or the weights that come with the package, on unseen faces of DATA, into results.json
	$(PY) -m faceinpaint evaluate --data $(call quoted,$(DATA)) $(MEASURED)

readme: $(VENV)  ## fill the measured figures into README, model card and notebooks, and make their pictures anew
	$(PY) -m faceinpaint.studies
	$(PY) -c 'from faceinpaint.bench import browser; browser.installed() and browser.screenshot("notebooks/figures/paint.png")'

# Resumable, one training after the other, each measured as it ends; with EPOCHS or FACES a rehearsal, in runs/rehearsal.
variations: $(VENV)  ## train and measure what the paper compares, a preset and a seed at a time; about a day
	$(PY) -m faceinpaint.studies claims --data $(call quoted,$(DATA)) \
		$(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(FACES),--faces $(FACES)) $(if $(PART),--part $(PART))

# With the weights that come with the repository, unless a run is named.
restore: $(VENV)  ## repair PHOTO where MASK is white, into OUT; EYES names the eyes, else the package mtcnn looks
	$(if $(and $(PHOTO),$(MASK)),,$(error for example: make restore PHOTO=portrait.jpg MASK=mask.png EYES=310,402,422,398))
	$(PY) -m faceinpaint restore $(call quoted,$(PHOTO)) $(call quoted,$(MASK)) -o $(call quoted,$(OUT)) \
		$(if $(EYES),--eyes $(EYES)) $(REFERRED) $(if $(ASKED),--run $(call quoted,$(RUN)))
REFERRED = $(if $(REFERENCE),--reference $(call quoted,$(REFERENCE)))

paint: $(VENV)  ## repair PHOTO in the browser: paint the damage, the restored face appears beside it
	$(if $(PHOTO),,$(error for example: make paint PHOTO=portrait.jpg))
	$(PY) -m faceinpaint paint $(call quoted,$(PHOTO)) $(if $(PORT),--port $(PORT)) $(REFERRED) \
		$(if $(ASKED),--run $(call quoted,$(RUN)))

# The notebooks run in their own folder: a path given from here lies one folder up.
from_notebooks = $(if $(filter auto sample tfds /% ~%,$(firstword $(1))),,../)$(1)
notebooks: export FACEINPAINT_DATA = $(call from_notebooks,$(DATA))
notebooks: export FACEINPAINT_PRESET = $(PRESET)
notebooks: export FACEINPAINT_RUN = $(call from_notebooks,$(RUN))
ifdef EPOCHS
notebooks: export FACEINPAINT_EPOCHS = $(EPOCHS)
endif
notebooks: $(VENV)  ## execute the notebooks from top to bottom, keeping their figures
	$(PY) -m nbconvert --to notebook --execute --inplace notebooks/*.ipynb

lab: $(VENV)  ## open the notebooks in JupyterLab, in your browser
	$(PY) -m jupyter lab notebooks

bench: $(VENV)  ## measure the speed on this machine; run it while nothing else runs
	$(PY) -m faceinpaint bench

lint: $(VENV)  ## check style and formatting
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

clean:  ## remove caches of Python and its tools; never .venv, runs/ or data/
	rm -rf .pytest_cache .ruff_cache faceinpaint.egg-info
	find faceinpaint tests $(wildcard notebooks) \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# The environment. Installation takes minutes, so what would stop it is asked first, in `MISSING`. Without the marker
# an earlier try did not finish, and what it left cannot be trusted: begin again (pip keeps what it downloaded).
define MISSING
import ctypes, sys, sysconfig
try:
    import ensurepip, venv
except ImportError:
    sys.exit("%s cannot make environments; on Debian or Ubuntu: sudo apt-get install python%d.%d-venv" % ((sys.executable,) + sys.version_info[:2]))
try:
    if sys.platform == "linux":
        for library in ("libGL.so.1", "libgthread-2.0.so.0"):
            ctypes.CDLL(library)
except OSError as error:
    sys.exit("OpenCV needs a system library (%s); on Debian or Ubuntu: sudo apt-get install libgl1 libglib2.0-0" % error)
endef
export MISSING

$(VENV): requirements.txt pyproject.toml
	@for python in $(if $(PYTHON),$(call quoted,$(PYTHON)),python3 python3.13 python3.12 python3.11); do \
		if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
			"$$python" -c "$$MISSING" || exit 1; \
			test -e $@ || "$$python" -m venv --clear .venv || exit 1; \
			exit 0; \
		fi; \
	done; \
	echo 'Python 3.11, 3.12 or 3.13 is needed: install one, or name it with PYTHON=/path/to/python3.11' >&2; exit 1
	@rm -f $@
	@echo 'Installing TensorFlow and the rest into .venv: about 1 GB to download, 3 GB on disk, some minutes, once.'
	@$(PY) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@
