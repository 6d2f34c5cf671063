"""Results on disk: what `evaluate` measures of trained runs, with all that says how it was measured."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from faceinpaint import figures
from faceinpaint.baselines import BASELINES
from faceinpaint.celeba import Faces
from faceinpaint.config import WHOLE_SIDE, Config, UserError
from faceinpaint.evaluation import (
    damaged_examples,
    evaluate_methods,
    mean_and_interval,
    methods,
    table,
    unseen_faces,
)
from faceinpaint.inpainter import Inpainter
from faceinpaint.runs import WEIGHTS, folder
from faceinpaint.studies.crop import network_and_crop
from faceinpaint.system import files, machine
from faceinpaint.variations import load

KEPT = ("hole_psnr", "hole_ssim", "lpips")  # of each image; PSNR of the whole follows from that in the hole
SHOWN = ("eyes", "nose", "mouth", "boxes", "strokes_20_40", "centre", "half", "pixels")  # in `shown_damage`


def named(runs: list[str] | None) -> dict[str, Path]:
    """The folders of runs by the names that their rows have: faceinpaint for one, several by their folders' names.
    Raises `UserError` for two of one name."""
    folders = [Path(run) for run in runs or [WEIGHTS]]
    names = ["faceinpaint"] if len(folders) == 1 else [run.resolve().name for run in folders]
    if len({*names, *BASELINES}) < len(names) + len(BASELINES):
        raise UserError(f"--run {' '.join(runs)}: two methods of one name; each run's folder needs a name of its own")
    return dict(zip(names, folders, strict=True))


def _loaded(runs: list[str] | None) -> dict[str, tuple[Path, Inpainter]]:
    """The runs by name, loaded."""
    loaded = {name: (run, load(run)) for name, run in named(runs).items()}
    if len({inpainter.config.size for _, inpainter in loaded.values()}) > 1:
        raise UserError(f"{', '.join(runs)}: networks of different sizes; evaluate them one by one")
    return loaded


def write(runs: list[str] | None, data: str, part: str, first: int | None, out: Path) -> str:
    """The study, as `studies.STUDIES` has it: the runs side by side with the classical methods, in all `cases`.

    `out` receives the command, part, faces, date and commit, the config, environment and history of each training, the
    "rows", and for several runs the "differences" of all from the first. Beside it, as .npz, the values of each image;
    as .png, a `showcase`.

    Raises `UserError` for a run without a trained generator, for runs of one name or of different sizes and as
    `celeba.prepare` does.
    """
    loaded = _loaded(runs)
    trained = {name: folder.record_in(run).to_dict() for name, (run, _) in loaded.items()}
    restorers = {name: inpainter.restore for name, (_, inpainter) in loaded.items()}
    reference, (_, inpainter) = next(iter(loaded.items()))
    faces = unseen_faces(data, inpainter.config, part)
    pictures = getattr(faces, part)[:first]
    compared = restorers | BASELINES
    if len(loaded) == 1:
        compared = methods(inpainter) | {"network_and_crop": network_and_crop(inpainter.restore)}
    rows = evaluate_methods(compared, pictures, inpainter.config, training=faces.train)
    paired = differences(rows, reference) if len(loaded) > 1 else []
    about = {"command": command("results", runs, data, part, first, out), **measured_on(faces, part)}
    lists = {"rows": without_values(rows)} | ({"differences": paired} if paired else {})
    files.write_text(out, as_json(about | {"trained": trained} | lists))
    kept = [row for row in rows if "values" in row]
    labels = [{key: row[key] for key in ("study", "framing", row["study"], "method")} for row in kept]
    write_values(out.with_suffix(".npz"), labels, kept, KEPT, names=faces.names[part][:first])
    some = shown_damage(pictures, inpainter.config)
    shown = showcase(*some, {name: restore(*some) for name, restore in restorers.items()})
    files.write_image(out.with_suffix(".png"), shown)
    return "\n\n".join([table(rows), *(table(paired, metric, interval=True) for metric in KEPT if paired)])


def celeba_faces(data: str, part: str) -> Faces:
    """The faces of `data` for a study that is of CelebA's own pictures. Raises `UserError` for others, and as
    `unseen_faces`."""
    faces = unseen_faces(data, Config(), part)
    side = getattr(faces, part).shape[1]
    if side != WHOLE_SIDE:
        raise UserError(f"--data {data}: pictures of {side} pixels; this study wants CelebA's of 178x218")
    return faces


def command(study: str, runs: list[str] | None, data: str, part: str, first: int | None, out: Path) -> str:
    """What to type for the same study again, but for the folders of this machine."""
    asked = {"--study": study if study != "results" else None, "--run": " ".join(runs or []), "--part": part}
    asked |= {"--faces": first, "--data": data, "--out": out}
    words = ["python -m faceinpaint evaluate", *(f"{key} {value}" for key, value in asked.items() if value)]
    return files.without_folders(" ".join(words))


def differences(rows: list[dict], first: str, keys=None, metrics=KEPT) -> list[dict]:
    """How the other methods differ from `first`, image by image: rows with each of the `metrics` as [mean, low, high]
    of the other's value less the first's. An interval without 0 is a difference that other faces would show.

    keys: under which rows say what they are of; unless given, those of `evaluate_methods`.
    """
    compared = []
    for begin in (row for row in rows if row["method"] == first):
        labels = {key: begin[key] for key in keys or ("study", "framing", begin["study"])}
        for row in rows:
            if row["method"] != first and "values" in row and labels.items() <= row.items():
                paired = {
                    name: row["values"][name] - begin["values"][name] for name in metrics if name in row["values"]
                }
                means = {name: mean_and_interval(value) for name, value in paired.items()}
                compared.append({**labels, "method": f"{row['method']} - {first}", "n": row["n"], **means})
    return compared


def shown_damage(faces, config: Config):
    """Some of `faces` uint8 [N, S, S, 3], drawn, not picked, each with another kind of damage, in the order
    of `SHOWN`: images uint8 [n, size, size, 3] and masks [n, size, size, 1]."""
    drawn = np.random.default_rng(0).choice(len(faces), min(len(SHOWN), len(faces)), replace=False)
    examples = [damaged_examples(faces[[i]], config, name) for i, name in zip(drawn, SHOWN, strict=False)]
    return tuple(np.concatenate(stage) for stage in zip(*examples, strict=True))


def showcase(images, masks, restored: dict[str, np.ndarray]):
    """What `shown_damage` gives, below one another: damaged, `restored` by each method, by its name, and original, as
    uint8 [height, width, 3]."""
    rows = {"damaged": figures.damaged(images, masks)} | restored | {"original": images}
    return figures.tiles(list(rows.values()), SHOWN[: len(images)], list(rows))


def measured_on(faces: Faces, part: str) -> dict:
    """What a file of results says of itself: part, faces, date and commit."""
    return {
        "part": part,
        "faces": files.without_folders(faces.description),
        "date": f"{datetime.now(UTC):%F}",
        "commit": machine.commit(),
    }


def write_values(path: Path, labels: list, rows: list[dict], metrics, **more):
    """Keeps what `rows` say of each image small.

    That is "rows", the `labels` of each as JSON, and an array [rows, N] of each of the `metrics` that there is, NaN
    where a row has none: float16, exact to three digits, and float32 for the Fréchet distance. more: further arrays.
    """
    arrays = {}
    for name in metrics:
        length = max((len(row["values"][name]) for row in rows if name in row["values"]), default=0)
        kept = [row["values"].get(name, np.full(length, np.nan)) for row in rows]
        arrays |= {name: np.array(kept, np.float32 if name == "frechet" else np.float16)} if length else {}
    with files.replacing(path) as temporary:
        np.savez_compressed(temporary, rows=[json.dumps(label) for label in labels], **arrays, **more)


def without_values(rows: list[dict]) -> list[dict]:
    """`rows` as they are written: what they say of each image is kept elsewhere, or not at all."""
    return [{key: value for key, value in row.items() if key != "values"} for row in rows]


def as_json(written: dict) -> str:
    """`written`, with a line for each row of its lists, their numbers kept to five decimals."""
    lists = {key: value for key, value in written.items() if isinstance(value, list)}
    text = json.dumps({key: value for key, value in written.items() if key not in lists}, indent=1)
    for key, rows in lists.items():
        rounded = json.loads(json.dumps(rows), parse_float=lambda number: round(float(number), 5))
        lines = ",\n".join(map(json.dumps, rounded))
        text = f'{text.removesuffix("}").rstrip()},\n "{key}": [\n{lines}\n]}}'
    return text + "\n"
