"""What the trials of `claims` say: differences with their intervals, verdicts, and how they change with training.

A verdict stands where each training of one system differs from each of the other, to the same side, with an interval
clear of 0. Each interval is over faces, by the bootstrap; that another training of the same system differs is what the
seeds are for.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from faceinpaint.config import UserError
from faceinpaint.evaluation import markdown, mean_and_interval
from faceinpaint.figures import plt
from faceinpaint.masks import FAMILIES
from faceinpaint.studies import trials

REFERENCE = "paper"
ABSENT = "None of these trials is there yet."
BETTER = {"hole_psnr": 1, "lpips": -1, "frechet": -1, "high": -1}  # the side on which a difference is for the better
LABELS = {"hole_psnr": "PSNR in the hole (dB)", "lpips": "LPIPS"}  # of the figures' axes
NAMES = {"hole_psnr": "PSNR in the hole", "lpips": "LPIPS", "frechet": "Fréchet distance"}  # of the tables' columns
DIGITS = {"hole_psnr": 2, "lpips": 4, "frechet": 1, "high": 2}
WHOLE = [("family", family, 0) for family in (*FAMILIES, *trials.HALVES)]


@dataclass
class Measured:
    """A trial as `claims` wrote it. about: what the JSON file holds; values: `trials.read_values` of the other."""

    about: dict
    values: dict[tuple, dict[str, np.ndarray]]


def read(folder: Path, part="validation") -> dict[str, dict[int, Measured]]:
    """The trials in `folder` that are there: name → seed → what was measured. Raises `UserError` for a broken file."""
    found: dict[str, dict[int, Measured]] = {}
    for path in sorted(Path(folder).glob("*.json")):
        try:
            about = json.loads(path.read_text())
            if about["part"] == part:
                kept = trials.read_values(path.with_suffix(".npz"))
                found.setdefault(about["name"], {})[about["seed"]] = Measured(about, kept)
        except (OSError, EOFError, ValueError, TypeError, KeyError, BadZipFile) as error:
            raise UserError(f"{path}, or the .npz beside it: cannot be read ({error}); delete or restore it") from error
    return found


def missing(found: dict, names) -> list[str]:
    """Those of `names` of which no trial is there."""
    return [name for name in names if name not in found]


def difference(one: Measured, other: Measured, case: tuple, metric: str) -> list[float]:
    """[mean, low, high] of how much `one` has more of a metric than `other` in a case, over the faces that both have.

    Of the share of high frequencies counts how far it is from 1, up or down: |log2 share|. The Fréchet distance is one
    of a set. Its interval is 1.96 standard deviations of the differences in the resampled sets to either side.
    """
    pair = [trial.values[case][metric] for trial in (one, other)]
    if metric == "high":
        pair = [np.abs(np.log2(shares)) for shares in pair]
    if metric != "frechet":
        count = min(map(len, pair))
        return mean_and_interval(pair[0][:count] - pair[1][:count])
    whole, *draws = pair[0] - pair[1]
    deviation = np.std(draws, ddof=1)
    return [whole, whole - 1.96 * deviation, whole + 1.96 * deviation]


def differences(found: dict, name: str, case: tuple, metric: str, reference=REFERENCE) -> list[list[float]]:
    """`difference` of every training of `name` from every one of `reference`, whichever their seeds; [] where one of
    them was not measured so."""
    pairs = [(one, other) for one in found.get(name, {}).values() for other in found.get(reference, {}).values()]
    if metric == "frechet":
        pairs = [pair for pair in pairs if len({trial.about["rows"][0]["n"] for trial in pair}) == 1]
    have = [pair for pair in pairs if all(metric in trial.values.get(case, {}) for trial in pair)]
    return [difference(*pair, case, metric) for pair in have]


def verdict(intervals: list[list[float]], better: int) -> str:
    """better, worse, or open: where the intervals are not all on one side of 0, or there is none."""
    if intervals and all(low > 0 for _, low, _ in intervals):
        return "better" if better > 0 else "worse"
    if intervals and all(high < 0 for *_, high in intervals):
        return "worse" if better > 0 else "better"
    return "open"


def _seeds(found: dict, name: str) -> str:
    trained = sum("trained" in trial.about for trial in found[name].values())
    return {0: "no training", 1: "1 seed"}.get(trained, f"{trained} seeds")


def _cell(found: dict, name: str, case: tuple, metric: str, reference=REFERENCE) -> str:
    """The mean of the `differences` and the widest of their bounds; bold where a verdict stands, in italics where of
    `name` one seed alone says so."""
    intervals = differences(found, name, case, metric, reference)
    if not intervals:
        return ""
    means, lows, highs = zip(*intervals, strict=True)
    mean, low, high = (f"{x:+.{DIGITS[metric]}f}" for x in (np.mean(means), min(lows), max(highs)))
    stands = verdict(intervals, BETTER[metric]) != "open"
    mark = ("*" if _seeds(found, name) == "1 seed" else "**") if stands else ""
    return f"{mark}{mean}{mark} ({low} to {high})"


def _markdown(head: list[str], lines: list[list[str]]) -> str:
    return markdown(head, lines) if len(head) > 1 and lines else ABSENT


def table(found: dict, names, metric: str, reference=REFERENCE, cases=WHOLE) -> str:
    """Markdown: how much each of `names` differs from `reference` in each of the `cases`, marked as `_cell` does it,
    with the number of its seeds in the head."""
    columns = [name for name in names if any(differences(found, name, case, metric, reference) for case in cases)]
    lines = [[_called(case), *(_cell(found, name, case, metric, reference) for name in columns)] for case in cases]
    return _markdown(["family", *(f"{name} ({_seeds(found, name)})" for name in columns)], lines)


def tables(found: dict, names, metrics, cases=WHOLE, reference=REFERENCE) -> str:
    """Markdown: a `table` for each of `metrics`, under its name."""
    made = {metric: table(found, names, metric, reference, cases) for metric in metrics}
    some = {metric: text for metric, text in made.items() if text != ABSENT}
    return "\n\n".join(f"**{metric}**\n\n{text}" for metric, text in some.items()) or ABSENT


def _called(case: tuple) -> str:
    _, family, turn = case
    return f"{family}, {turn:+d}°" if turn else family


def levels(found: dict, names, metric: str, cases=WHOLE) -> str:
    """Markdown: the metric itself of each of `names`, the mean of its seeds."""
    names = [name for name in names if name in found]
    lines = []
    for case in cases:
        rows = {name: [row for trial in found[name].values() for row in trial.about["rows"]
                       if tuple(trials.key(row)) == case and metric in row] for name in names}  # fmt: skip
        means = {name: np.mean([np.ravel(row[metric])[0] for row in kept]) for name, kept in rows.items() if kept}
        lines.append([_called(case), *(f"{means[n]:.{DIGITS[metric]}f}" if n in means else "" for n in names)])
    return _markdown(["family", *names], lines)


def _verdicts(found: dict, name: str, metric: str) -> dict[tuple, str]:
    """Case → `verdict` on `name` beside `REFERENCE`, of all cases in which both were measured."""
    told = {case: differences(found, name, case, metric) for case in WHOLE}
    return {case: verdict(intervals, BETTER[metric]) for case, intervals in told.items() if intervals}


def _counted(said: list[str], words) -> str:
    return " / ".join(str(said.count(word)) for word in words)


def summary(found: dict, names) -> str:
    """Markdown: in how many families each of `names` is better and worse than `REFERENCE`, by a verdict that stands,
    and in how many neither."""
    words, lines = ("better", "worse", "open"), []
    for name in (name for name in names if name in found):
        said = [list(_verdicts(found, name, metric).values()) for metric in NAMES]
        lines.append([name, _seeds(found, name), *(_counted(one, words) for one in said)])
    return _markdown([" / ".join(words), "seeds", *NAMES.values()], lines)


def _fates(before: dict[tuple, str], after: dict[tuple, str]) -> list[str]:
    """What became of each verdict that stood: stands, open or reversed."""
    pairs = [(was, after[case]) for case, was in before.items() if was != "open" and case in after]
    return ["open" if now == "open" else "stands" if now == was else "reversed" for was, now in pairs]


def borne_out(found: dict, tested: dict, names) -> str:
    """Markdown: of the verdicts that stand in `found`, how many stand in `tested` as well, how many are open there, and
    how many the other way round."""
    words, lines = ("stands", "open", "reversed"), []
    for name in (name for name in names if name in found and name in tested):
        fates = [_fates(*(_verdicts(trials, name, metric) for trials in (found, tested))) for metric in NAMES]
        lines.append([name, *(_counted(one, words) for one in fates)])
    return _markdown([" / ".join(words), *NAMES.values()], lines)


def luck(found: dict) -> str:
    """Markdown: of each system of two seeds, in how many families these differ from each other, an interval clear of
    0."""
    lines = []
    for name, trained in found.items():
        if len(trained) == 2:
            seeds = {"0": {0: trained[0]}, "1": {0: trained[1]}}
            told = {metric: [differences(seeds, "1", case, metric, "0") for case in WHOLE] for metric in NAMES}
            apart = [sum(verdict(one, 1) != "open" for one in told[metric]) for metric in NAMES]
            lines.append([name, *(f"{count} of {len(WHOLE)}" for count in apart)])
    return _markdown(["two seeds apart", *NAMES.values()], lines)


def won(found: dict, other: str, cases) -> str:
    """Markdown: `REFERENCE` against `other` in each of the `cases`: differences, and the share of faces on which it is
    the better one, over all seeds."""
    if not {REFERENCE, other} <= found.keys():
        return ABSENT
    lines = []
    for case in cases:
        line = [_called(case)]
        for metric in ("hole_psnr", "lpips"):
            ours, theirs = (
                [trial.values[case][metric] for trial in found[name].values() if metric in trial.values.get(case, {})]
                for name in (REFERENCE, other)
            )
            pairs = [BETTER[metric] * (a - b) > 0 for a in ours for b in theirs]
            share = f"{np.mean(pairs):.0%}" if pairs else ""
            line += [_cell(found, REFERENCE, case, metric, other), share]
        lines.append(line)
    return _markdown([f"{REFERENCE} - {other}", "PSNR in the hole", "faces won", "LPIPS", "faces won"], lines)


def costs(measured: list[dict], names) -> str:
    """Markdown: parameters of the generator, seconds of an epoch, the same as a multiple of `REFERENCE`'s, and the most
    memory that training takes. measured: the rows of `bench`, all of one run on one machine."""
    value = {row["name"].partition(": ")[::2]: row["median"] for row in measured}
    epoch = next((what for name, what in value if name == REFERENCE and what.startswith("epoch")), None)
    lines = []
    for name in (name for name in names if (name, epoch) in value):
        seconds, parameters = value[name, epoch], value[name, "parameters"]
        memory = value[name, "peak memory of training"]
        relative = seconds / value[REFERENCE, epoch]
        lines.append([name, f"{parameters:.2f}", f"{seconds:.0f}", f"{relative:.2f}", f"{memory:.2f}"])
    return _markdown(["", "million parameters", f"s, {epoch}", f"times {REFERENCE}", "GiB of memory"], lines)


def _course(ours: list[dict], theirs: list[dict], name: str) -> list[float]:
    """How much a metric differs after each epoch of `ours`; beyond the end of `theirs`, from their last."""
    last = [theirs[min(epoch, len(theirs) - 1)] for epoch in range(len(ours))]
    return [one[name] - other[name] for one, other in zip(ours, last, strict=True) if name in one and name in other]


def curves(found: dict, names):
    """A figure: how much each of `names` differs from `REFERENCE` after every epoch of training, a line for each seed.

    PSNR in the hole and LPIPS are of validation faces, the families of damage taking turns. Beyond the last epoch of
    `REFERENCE`, that is what counts. None, said in a line, where there is nothing to draw.
    """
    if not [name for name in names if found.get(name, {}).keys() & found.get(REFERENCE, {}).keys()]:
        return print(ABSENT)
    figure, panels = plt.subplots(1, len(LABELS), figsize=(10, 3.6), layout="constrained")
    for axes, (metric, label) in zip(panels, LABELS.items(), strict=True):
        for number, name in enumerate(name for name in names if name in found):
            for seed in sorted(found[name].keys() & found.get(REFERENCE, {}).keys()):
                values = _course(*(found[one][seed].about["history"] for one in (name, REFERENCE)), f"val_{metric}")
                style = {"color": f"C{number}", "linestyle": ("-", "--", ":")[seed % 3], "marker": "."}
                axes.plot(range(1, len(values) + 1), values, **style, label=None if seed else name)
        axes.axhline(0, color="grey", linewidth=0.8)
        axes.set(xlabel="epoch", ylabel=f"{label}, less that of {REFERENCE}")
        axes.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8)
    return figure


def turned(found: dict, names=("paper", "rotated"), metric="hole_psnr"):
    """A figure: a metric by the turn of the head, for each family of facial parts, the mean of the seeds; None,
    said in a line, where there is nothing to draw."""
    if found.keys().isdisjoint(names):
        return print(ABSENT)
    families = trials.TURNED
    alike = metric == "hole_psnr"  # LPIPS is of the whole picture, and the lower the smaller the hole
    figure, panels = plt.subplots(1, len(families), figsize=(11, 2.8), layout="constrained", sharey=alike)
    for axes, family in zip(panels, families, strict=True):
        for name in (name for name in names if name in found):
            rows = [row for trial in found[name].values() for row in trial.about["rows"]
                    if row["study"] == "turn" and row["family"] == family]  # fmt: skip
            turns = sorted({row["turn"] for row in rows})
            means = [np.mean([row[metric][0] for row in rows if row["turn"] == turn]) for turn in turns]
            axes.plot(turns, means, marker=".", label=name)
        axes.set(title=family, xlabel="degrees")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(LABELS[metric])
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=8)
    return figure
