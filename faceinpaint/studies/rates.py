"""The learning rates of variations that the paper's rates may not suit: short trainings, judged on validation faces.

    python -m faceinpaint.studies rates [NAME ...] [--data PATH] [--epochs N] [--faces N]

Each of `CANDIDATES` is trained on a few faces in its directory of runs/rates, and goes on where it stopped. What came
out is written to notebooks/rates.json as each ends; of another length, to runs/rates. What is there is skipped. The
presets in `config` have the rates with the lowest LPIPS.
"""

import argparse
import json
from pathlib import Path

from faceinpaint import training
from faceinpaint.celeba import Faces
from faceinpaint.config import UserError, preset
from faceinpaint.evaluation import markdown, unseen_faces
from faceinpaint.studies.claims import Watch
from faceinpaint.studies.results import as_json, measured_on
from faceinpaint.system import files

RUNS, RESULT = Path("runs/rates"), Path("notebooks/rates.json")
LENGTH = {"epochs": 4, "train_images": 4_000}

# Preset → pairs of rates, the generator's and the discriminator's; first those of the preset `paper`.
CANDIDATES = {
    "bce_only": [(5e-4, 2e-4), (2e-4, 2e-4), (1e-4, 2e-4), (2e-4, 5e-4), (1e-4, 5e-4), (5e-4, 1e-3), (2e-4, 1e-3),
                 (1e-3, 1e-3), (5e-4, 2e-3), (1e-3, 2e-3)],
    "coarse_to_fine_narrow": [(5e-4, 2e-4), (2e-4, 2e-4), (1e-3, 2e-4), (2e-3, 2e-4), (4e-3, 2e-4), (8e-3, 2e-4)],
    "sc_fegan": [(5e-4, 2e-4), (2e-4, 2e-4), (1e-3, 2e-4), (2e-3, 2e-4), (4e-3, 2e-4)],
}  # fmt: skip


def carry_out(name: str, rates: tuple[float, float], data: str, faces: Faces, shorter: dict) -> dict:
    """Trains the preset `name` with these `rates`, or goes on with it: its row, with what the last epoch came to."""
    config = preset(name, generator_rate=rates[0], discriminator_rate=rates[1], **shorter)
    watching = [Watch(faces.validation, config)]
    run = RUNS / "_".join(map(str, (name, *rates, *shorter.values())))
    last = training.train(config, data, run, watching=watching)[-1]
    measured = {metric: last[f"val_{metric}"] for metric in ("hole_psnr", "lpips") if f"val_{metric}" in last}
    return {"preset": name, "generator_rate": rates[0], "discriminator_rate": rates[1], **shorter, **measured}


def kept_in(path: Path) -> dict[tuple, dict]:
    """The rows that were written to `path`, by preset and rates. Raises `UserError` when it cannot be read."""
    try:
        rows = json.loads(path.read_text())["rows"] if path.is_file() else []
        return {(row["preset"], row["generator_rate"], row["discriminator_rate"]): row for row in rows}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it or restore it") from error


def table(rows: list[dict]) -> str:
    """Markdown: PSNR in the hole and LPIPS of each candidate, preset by preset."""
    rows = sorted(rows, key=lambda row: row["preset"])
    lines = [[row["preset"], f"{row['generator_rate']:g}", f"{row['discriminator_rate']:g}",
              f"{row['hole_psnr']:.2f}", f"{row.get('lpips', float('nan')):.4f}"] for row in rows]  # fmt: skip
    return markdown(["preset", "generator's rate", "discriminator's", "PSNR in the hole", "LPIPS"], lines)


def main(argv: list[str]):
    """Carries out what `argv` asks for; `UserError` for what the user can mend."""
    parser = argparse.ArgumentParser("python -m faceinpaint.studies rates", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="presets (default: all)")
    parser.add_argument("--data", default="auto", metavar="auto|sample|tfds|PATH", help="as in `faceinpaint train`")
    parser.add_argument("--epochs", type=int, default=4, metavar="N", help="how long each is trained (default: 4)")
    parser.add_argument("--faces", type=int, default=4_000, metavar="N", help="on how many faces (default: 4000)")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(CANDIDATES):
        raise UserError(f"{min(unknown)}: has no candidates; choose of {', '.join(CANDIDATES)}")
    shorter = {"epochs": args.epochs, "train_images": args.faces}
    result = RESULT if shorter == LENGTH else RUNS / RESULT.name
    rows = kept_in(result)
    faces = unseen_faces(args.data, preset("paper", **shorter), "validation")
    result.parent.mkdir(parents=True, exist_ok=True)  # before the trainings, should it be impossible
    names = args.names or list(CANDIDATES)
    todo = [(name, rates) for name in names for rates in CANDIDATES[name] if (name, *rates) not in rows]
    for number, (name, rates) in enumerate(todo, start=1):
        print(f"{name}, rates {rates[0]:g} and {rates[1]:g}: number {number} of {len(todo)}", flush=True)
        rows[name, *rates] = carry_out(name, rates, args.data, faces, shorter)
        files.write_text(result, as_json({**measured_on(faces, "validation"), "rows": list(rows.values())}))
    print(table(list(rows.values())))
