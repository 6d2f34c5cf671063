"""`make readme`: each measured figure in the prose comes from the file of its measurement, each picture from a command.

In README, model card and the notebooks' prose a measured figure stands between two marks, HTML comments that no reader
sees. `filled` writes between them what the file says, so that prose cannot say anything else:

    PSNR <!-- value results.json rows[framing=178&family=nose&method=telea].hole_psnr.0 .2f -->19.34<!-- end --> dB

The first word says what stands between the marks:

    value FILE PATH FORMAT              one number, in Python's format: .2f, +.1f, ",.0f"
    value FILE PATH - PATH FORMAT       a difference; a quotient with /; the second PATH may be a number (/ 60)
    value FILE PATH min FORMAT          the min, max, mean, sum, first or last of several numbers or differences
    table FILE METRIC FRAMING STUDY     a table of `evaluate`'s rows, of all methods or of those named after it
    published FILE                      the table of the published comparison
    bench FILE                          the table of `bench`, all of it or the rows named after it, in quotes
    verdicts NAME ...                   in how many families each of these trials is better and worse than `paper`
    given                               a number that nobody here measured: a definition, or quoted from its source

FILE lies in notebooks/ or faceinpaint/, for instance results.json or weights/history.jsonl. PATH goes into it by keys
and places, joined by dots; [KEY=VALUE&KEY=VALUE] takes the items of a list that have these values, VALUE one or several
(nose|mouth), and [] takes all. A PATH with spaces stands in quotes: "[name=training step&unit=images/s].median".
"""

import argparse
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from faceinpaint import figures, lite
from faceinpaint.celeba import originals, prepare, shown_faces
from faceinpaint.config import UserError, preset
from faceinpaint.evaluation import table
from faceinpaint.runs import grids
from faceinpaint.studies import claims, photo_cases, published, verdicts
from faceinpaint.studies.results import showcase, shown_damage
from faceinpaint.system import files
from faceinpaint.variations import load

ROOT = Path(__file__).parents[2]
PRINTS = ("grey", "faded", "grain", "dust", "torn corner")  # of the cases of photographs, those that are shown
EPOCHS_SHOWN = (0, 1, 2, 5, 10, 20, 35)  # of the first training of the weights
MARK = re.compile(r"<!-- (value|table|published|bench|verdicts|given)\b(.*?) -->(.*?)<!-- end -->", re.DOTALL)
STEP = re.compile(r"\[[^]]*\]|[^.\[\]]+")
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
FIGURE = re.compile(r"\d[\d.,]*\s?(?:%|(?:dB|ms|s|min|minutes?|seconds?|hours?|LPIPS)\b)")
REDUCE: dict[str, Callable] = {"min": min, "max": max, "sum": sum, "mean": lambda numbers: sum(numbers) / len(numbers),
                               "first": lambda numbers: numbers[0], "last": lambda numbers: numbers[-1]}  # fmt: skip


def filled(text: str, root: Path = ROOT) -> str:
    """`text` with what its marks ask for between them. Raises `UserError` for a mark that asks for nothing there is."""

    def made(match):
        kind, asked, old = match.groups()
        try:
            new = _MADE[kind](root, *shlex.split(asked)) if kind != "given" else old
        except (LookupError, TypeError, ValueError, OSError) as error:
            raise UserError(f"<!-- {kind}{asked} -->: {error!r}; the marks are explained in {__file__}") from error
        return f"<!-- {kind}{asked} -->{new}<!-- end -->"

    return MARK.sub(made, text)


def unmarked(text: str) -> list[str]:
    """The numbers with a unit in the prose of `text`, outside marks and code."""
    return FIGURE.findall(CODE.sub("", MARK.sub("", text)))


def _read(root: Path, name: str):
    """What the JSON file `name` holds; of a .jsonl, a list of its lines."""
    path = next((path for room in ("notebooks", "faceinpaint") if (path := root / room / name).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{name}: neither in notebooks/ nor in faceinpaint/")
    text = path.read_text()
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)


def _numbers(found, path: str) -> list[float]:
    """The numbers at `path` in `found`, several where a selection leaves several items."""
    reached = [found]
    for step in STEP.findall(path):
        if step.startswith("["):
            wanted = [condition.split("=", 1) for condition in step[1:-1].split("&") if condition]
            reached = [item for items in reached for item in items if _matches(item, wanted)]
        else:
            reached = [item[int(step)] if isinstance(item, list) else item[step] for item in reached]
    if not reached:
        raise LookupError(f"nothing at {path}")
    return [float(number) for number in reached]


def _matches(item: dict, wanted: list[list[str]]) -> bool:
    return all(str(item.get(name)) in values.split("|") for name, values in wanted)


def _value(root: Path, name: str, path: str, *rest: str) -> str:
    *rest, format_ = rest
    found = _read(root, name)
    numbers = _numbers(found, path)
    if rest and rest[0] in ("-", "/"):
        sign, other, *rest = rest
        others = [float(other)] * len(numbers) if re.fullmatch(r"[\d.]+", other) else _numbers(found, other)
        pairs = zip(numbers, others, strict=True)
        numbers = [a - b if sign == "-" else a / b for a, b in pairs]
    (number,) = [REDUCE[rest[0]](numbers)] if rest else numbers
    return f"{number:{format_}}"


def _table(root: Path, name: str, metric: str, framing: str, study: str, *chosen: str) -> str:
    rows = [row for row in _read(root, name)["rows"] if not chosen or row["method"] in chosen]
    return _lines(table(rows, metric, int(framing), study))


def _published(root: Path, name: str) -> str:
    return _lines(published.table(_read(root, name)["rows"]))


def _bench(root: Path, name: str, *chosen: str) -> str:
    return _lines(bench_table([row for row in _read(root, name) if not chosen or row["name"] in chosen]))


def _verdicts(root: Path, *names: str) -> str:
    return _lines(verdicts.summary(verdicts.read(root / claims.RESULTS), names))


def _lines(made: str) -> str:
    """A table that has something in it, between the lines of its marks."""
    if made.count("\n") < 2:
        raise LookupError("no such row")
    return f"\n{made}\n"


_MADE: dict[str, Callable] = {"value": _value, "table": _table, "published": _published, "bench": _bench,
                              "verdicts": _verdicts}  # fmt: skip


def bench_table(rows: list[dict]) -> str:
    """The rows of `bench` as a Markdown table."""
    lines = ["| | median | lowest to highest | |", "|---|---:|---:|---|"]
    for entry in rows:
        median, lowest, highest = (f"{entry[key]:,.4g}" if entry[key] < 1000 else f"{entry[key]:,.0f}"
                                   for key in ("median", "lowest", "highest"))  # fmt: skip
        spread = "" if lowest == highest else f"{lowest} to {highest}"
        lines.append(f"| {entry['name']} | {median} | {spread} | {entry['unit']} |")
    return "\n".join(lines)


def documents() -> list[Path]:
    """The texts that marks stand in."""
    return [ROOT / "README.md", ROOT / "faceinpaint/weights/README.md", *sorted(ROOT.glob("notebooks/*.ipynb"))]


def prose(path: Path) -> str:
    """The text of a document; of a notebook, that of its cells of prose."""
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = json.loads(path.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def renewed(path: Path, root: Path = ROOT) -> str:
    """The whole content of a document, its marks filled."""
    if path.suffix != ".ipynb":
        return filled(path.read_text(), root)
    text = path.read_text()
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = filled("".join(cell["source"]), root).splitlines(keepends=True)
    same = notebook == json.loads(text)
    return text if same else json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _training(path: Path) -> str | None:
    if not (run := ROOT / "runs/weights/paper").is_dir():
        return "no run in runs/weights/paper (make weights)"
    drawn = grids.read_all(run, max(EPOCHS_SHOWN))
    chosen = {epoch: drawn[epoch] for epoch in EPOCHS_SHOWN if epoch in drawn}
    files.write_image(path, figures.filmstrip(chosen, grids.FAMILIES))


def _restored(path: Path) -> str | None:
    if (faces := shown_faces()) is None:
        return "the sample cannot be had"
    inpainter = load()
    some = shown_damage(faces, inpainter.config)
    files.write_image(path, showcase(*some, {"restored": inpainter.restore(*some)}))


def _prints(path: Path) -> str | None:
    try:
        photos = originals(prepare("sample"), "test", "sample")
    except UserError as error:
        return str(error)
    files.write_image(path, photo_cases.strip(photos[8:], photo_cases.repairer(lite.load()), PRINTS))


def _variations(path: Path) -> str | None:
    files_of = {trial.name: ROOT / claims.RESULTS / f"{trial}.png" for trial in claims.PLAN if not trial.seed}
    strips = {name: file for name, file in files_of.items() if file.is_file()}
    if not strips or (faces := shown_faces()) is None:
        return "no pictures in notebooks/variations (make variations), or no sample"
    restored = {name: np.hsplit(np.asarray(Image.open(strip)), len(faces)) for name, strip in strips.items()}
    files.write_image(path, showcase(*shown_damage(faces, preset("paper")), restored))


# Pictures of README and notebooks, in notebooks/figures: what makes each, and returns why it could not. That of the
# window, paint.png, is made by its own room, which stands above this one: `make readme` calls both.
PICTURES: dict[str, Callable] = {"training.jpg": _training, "restored.png": _restored, "prints.jpg": _prints,
                                 "variations.jpg": _variations}  # fmt: skip


def main(argv: list[str]) -> None:
    """Fills the marks of all documents and makes the pictures, saying what has changed and what could not be made."""
    argparse.ArgumentParser("python -m faceinpaint.studies", description=main.__doc__).parse_args(argv)
    for path in documents():
        if (text := renewed(path)) != path.read_text():
            files.write_text(path, text)
            print(f"{path.relative_to(ROOT)}: figures made anew")
    for name, make in PICTURES.items():
        problem = make(ROOT / "notebooks/figures" / name)
        print(f"notebooks/figures/{name}: {f'left as it is: {problem}' if problem else 'made anew'}")
