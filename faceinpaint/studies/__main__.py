"""`python -m faceinpaint.studies`: what `make readme` does; with the word claims, what `make variations` does; with the
word rates, the short trainings that chose the rates of some presets."""

import importlib
import sys

from faceinpaint.config import UserError
from faceinpaint.system import stderr

name, *options = sys.argv[1:] if sys.argv[1:2] in (["claims"], ["rates"]) else ["readme", *sys.argv[1:]]
try:
    with stderr.quiet_start():
        study = importlib.import_module(f"faceinpaint.studies.{name}")
    study.main(options)
except UserError as error:
    print(f"faceinpaint: {error}", file=sys.stderr)
    sys.exit(2)
except KeyboardInterrupt:
    print("\nfaceinpaint: interrupted; the same command goes on from what is finished", file=sys.stderr)
    sys.exit(130)
