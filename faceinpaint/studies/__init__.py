"""What is measured and written beside the experiment itself: the files of results, comparisons with others, the README.

What lives here: a module for each study that `evaluate` knows (`STUDIES`), first of them `results`, the main one; and
`readme`, which fills their figures into the prose; `damage` to photographs and its `measures`, which their studies
share; `crop`, the network and the mirrored half together; `claims` and what it needs, for `make variations`; `diagrams`
of networks, for the notebooks. A module is imported when it is asked for.
"""

import importlib

from faceinpaint.config import UserError
from faceinpaint.system.stderr import quiet_start

__all__ = ["STUDIES", "run"]

# What `evaluate --study NAME` runs: NAME → the module of this room whose `write(runs, data, part, first, out)` measures
# the run directories `runs` (None: the weights that come with the package) on the `first` faces of `part` of `data`
# (None: on all), writes the JSON file `out` and returns Markdown tables of it.
STUDIES = {
    "results": "results",
    "published": "published",
    "photo": "photo",
    "cases": "photo_cases",
    "other_half": "other_half",
}
OF_SEVERAL = ("results", "photo")  # those that compare runs; the others are of one


def run(name: str, runs: list[str] | None, *arguments) -> str:
    """Runs the study `name` of `runs`, with the further `arguments` of its `write`.

    Raises `UserError` when there is none of that name, or it is of one run and there are several.
    """
    if name not in STUDIES:
        raise UserError(f"--study {name}: choose one of {', '.join(STUDIES)}")
    if len(runs or []) > 1 and name not in OF_SEVERAL:
        raise UserError(f"--study {name}: is of one run; name one with --run")
    with quiet_start():
        study = importlib.import_module(f"{__name__}.{STUDIES[name]}")
    return study.write(runs, *arguments)
