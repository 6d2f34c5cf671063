"""The marks of README, model card and notebooks: what is filled between them, and that all is filled as measured."""

import json
import shutil
from pathlib import Path

import pytest

from faceinpaint.config import UserError
from faceinpaint.studies import readme

ROOT = Path(__file__).parents[1]


@pytest.fixture
def root(tmp_path):
    """A repository with a few figures."""
    rows = [
        {
            "study": "family",
            "framing": 178,
            "family": family,
            "method": method,
            "hole_psnr": [value, value - 1, value + 1],
        }
        for method, values in {"ours": (20.25, 22.5), "theirs": (18.0, 21.0)}.items()
        for family, value in zip(("nose", "mouth"), values, strict=True)
    ]
    speed = {"name": "training step, all", "unit": "images/s", "median": 1234.5, "lowest": 1200.0, "highest": 1300.0}
    for name, content in {
        "notebooks/results.json": json.dumps({"rows": rows, "n": 998}),
        "notebooks/bench.json": json.dumps([speed, speed | {"name": "other", "median": 2.0}]),
        "faceinpaint/weights/timing.jsonl": '{"seconds": 30.0}\n{"seconds": 90.0}\n',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


OURS = "rows[family=nose&method=ours].hole_psnr.0"


@pytest.mark.parametrize(
    ("mark", "text"),
    [
        ("value results.json n .0f", "998"),
        (f"value results.json {OURS} .2f", "20.25"),
        (f"value results.json {OURS} - {OURS.replace('ours', 'theirs')} +.1f", "+2.2"),
        ("value results.json rows[method=ours].hole_psnr.0 max .1f", "22.5"),
        ("value results.json rows[family=nose|mouth&method=ours].hole_psnr.0 - rows[method=theirs].hole_psnr.0 min .2f",
         "1.50"),
        ('value bench.json "[name=training step, all&unit=images/s].median" ,.0f', "1,234"),
        ("value weights/timing.jsonl [].seconds sum .0f", "120"),
        ("value weights/timing.jsonl 1.seconds / 60 .1f", "1.5"),
        ("value weights/timing.jsonl [].seconds / 60 mean .1f", "1.0"),
        ("given", "old"),
    ],
)  # fmt: skip
def test_a_figure_is_filled_in(mark, text, root):
    before = f"It is <!-- {mark} -->old<!-- end --> dB, <!-- {mark} -->old<!-- end -->."
    made = readme.filled(before, root)
    assert made == before.replace("old", text)
    assert readme.filled(made, root) == made


def test_verdicts_of_trials_are_filled_in(root):
    with pytest.raises(UserError, match="no such row"):
        readme.filled("<!-- verdicts noise_fill --><!-- end -->", root)
    shutil.copytree(ROOT / "notebooks/variations", root / "notebooks/variations")
    made = readme.filled("<!-- verdicts noise_fill --><!-- end -->", root)
    assert [line.split(" | ")[0] for line in made.splitlines()[3:-1]] == ["| noise_fill"]


def test_tables_are_filled_in(root):
    made = readme.filled("<!-- table results.json hole_psnr 178 family -->\n<!-- end -->\nafter", root)
    assert made.splitlines()[1:3] == ["| family | ours | theirs |", "|---|---:|---:|"]
    assert "| nose | **20.25** | 18.00 |" in made
    assert made.endswith("\n<!-- end -->\nafter")
    chosen = readme.filled("<!-- table results.json hole_psnr 178 family theirs --><!-- end -->", root)
    assert "| nose | **18.00** |" in chosen
    speed = readme.filled('<!-- bench bench.json "training step, all" --><!-- end -->', root)
    assert "| training step, all | 1,234 | 1,200 to 1,300 | images/s |" in speed
    assert "other" not in speed


@pytest.mark.parametrize(
    "mark",
    ["value none.json n .0f", "value results.json m .0f", "value results.json n",
     "value results.json rows[family=eye].n .0f",
     "value results.json rows[method=ours].hole_psnr.0 .2f", "value results.json n .0f .0f",
     "value results.json n median .0f",
     "table results.json hole_psnr 128 family", "bench bench.json none", "value results.json n - rows .0f"],
)  # fmt: skip
def test_a_mark_that_cannot_be_filled_is_named(mark, root):
    with pytest.raises(UserError, match="<!-- ") as refusal:
        readme.filled(f"<!-- {mark} -->5<!-- end -->", root)
    assert mark in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_numbers_with_a_unit_outside_marks_are_found():
    text = """It takes 161 minutes and 5.5 dB, 12 % or <!-- given -->80 %<!-- end -->; 64 pixels, 3 smiles, `--x 5 s`.
```
make train  # 10 min
```
| 64 | 17.87 dB | 0.05 LPIPS | 8.4ms |"""
    found = ["161 minutes", "5.5 dB", "12 %", "17.87 dB", "0.05 LPIPS", "8.4ms"]
    assert readme.unmarked(text) == found


def test_prose_of_a_notebook_is_filled_and_its_code_left_alone(root):
    mark = "<!-- value results.json n .0f -->old<!-- end -->"
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", f"N = {mark}"]},
        {"cell_type": "code", "metadata": {}, "source": [f"text = '{mark}'"], "outputs": [], "execution_count": None},
    ]
    path = root / "notebooks/one.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    made = json.loads(readme.renewed(path, root))["cells"]
    assert made[0]["source"] == ["# Title\n", f"N = {mark.replace('old', '998')}"]
    assert made[1] == cells[1]
    path.write_text(readme.renewed(path, root))
    assert readme.renewed(path, root) == path.read_text()
    assert readme.prose(path) == f"# Title\nN = {mark.replace('old', '998')}"


DOCUMENTS = {str(path.relative_to(ROOT)): path for path in readme.documents()}


@pytest.mark.parametrize("path", DOCUMENTS.values(), ids=DOCUMENTS)
def test_make_readme_changes_nothing(path):
    assert path.read_text().count("<!-- end -->") == len(readme.MARK.findall(path.read_text()))
    assert readme.renewed(path) == path.read_text(), "make readme"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_measured_figure_stands_between_marks(name):
    assert readme.unmarked(readme.prose(DOCUMENTS[name])) == []


def test_the_readme_is_short():
    assert (ROOT / "README.md").stat().st_size <= 11 * 1024


def test_the_pictures_are_there():
    assert {path.name for path in (ROOT / "notebooks/figures").iterdir()} >= {*readme.PICTURES, "paint.png"}
