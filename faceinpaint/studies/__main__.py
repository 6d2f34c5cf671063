"""`python -m faceinpaint.studies`: what `make readme` does; with the word claims, what `make variations` does; with the
word rates, the short trainings that chose the rates of some presets."""

import importlib
import sys

from faceinpaint.system import stderr
from faceinpaint.system.outcome import exit_code

name, *options = sys.argv[1:] if sys.argv[1:2] in (["claims"], ["rates"]) else ["readme", *sys.argv[1:]]


def _study():
    with stderr.quiet_start():
        study = importlib.import_module(f"faceinpaint.studies.{name}")
    study.main(options)


sys.exit(exit_code(_study))
