"""Settings: presets, their files, and what is refused."""

import json

import pytest

from faceinpaint import config
from faceinpaint.config import PRESETS, Config, UserError


def test_paper_is_the_default():
    paper = config.preset("paper")
    assert paper == Config()
    assert (paper.size, paper.train_images, paper.test_images, paper.epochs) == (64, 19_000, 1_000, 50)


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(name, tmp_path):
    settings = config.preset(name)
    path = tmp_path / "config.json"
    path.write_text(config.to_json(settings))
    assert config.read(path) == settings


# As their papers have several things at once.
OWN_TERMS = {
    "bce_only",
    "finetuned",
    "parts",
    "octave",
    "unmosaic_blind",
    "context_encoder",
    "wasserstein",
    "coarse_to_fine_narrow",
    "sc_fegan",
}


@pytest.mark.parametrize("name", sorted(set(PRESETS) - {"paper", "smoke"} - OWN_TERMS))
def test_variations_change_one_thing(name):
    assert len(PRESETS[name]) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: config.preset("papre"), "preset 'papre': choose one of paper, "),
        (lambda: config.preset("paper", epoch=3), "config: unknown key 'epoch'; the keys are system, size, "),
        (lambda: config.preset("paper", size=60), "size 60: must be a multiple of 16"),
        (lambda: config.preset("paper", size=32, generator_widths=(4,) * 6), "size 32: must be a multiple of 64"),
        (lambda: config.preset("paper", seed=-1), "seed -1: must be from 0 to 4294967295"),
        (lambda: config.preset("paper", seed=2**32), "seed 4294967296: must be from 0 to"),
        (lambda: config.preset("paper", epochs=0), "epochs 0: must be at least 1"),
        (lambda: config.preset("paper", epochs=10**20), "epochs 100000000000000000000: must be at most 1000000"),
        (
            lambda: config.preset("paper", precision="foo"),
            "precision 'foo': choose one of auto, float32, mixed_bfloat16",
        ),
        (lambda: config.preset("paper", batch_size=-1), "batch_size -1: must be at least 1"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(UserError, match=message):
        make()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("generator_widths", []),
        ("generator_widths", [8, "a", 16]),
        ("discriminator_widths", [8, 0]),
        ("framing", 104),
        ("precision", None),
        ("size", 64.0),
        ("seed", 0.5),
        ("seed", True),
        ("rotation", "8"),
        ("rotation", float("nan")),
        ("flip", 1),
        ("jit_compile", "yes"),
    ],
)
def test_a_value_of_another_kind_is_named(field, value, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({field: value}))
    with pytest.raises(UserError, match=rf"^\S*config.json: config: {field} .*: not of the kind of [^\n]*$"):
        config.read(path)


def test_a_whole_number_is_a_rate_too():
    assert config.from_dict({"rotation": 8}).rotation == 8


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"sise": 64}', '{"size": "big"}'])
def test_a_damaged_file_is_named(tmp_path, text):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"config"):
        config.read(path)


def test_a_config_of_an_earlier_version_loses_its_retired_keys_with_a_line(tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text('{"size": 96, "generator": "unet", "average_momentum": 0.999}')
    assert config.read(path) == config.preset("paper", size=96)
    assert capsys.readouterr().out == (
        f"{path}: generator, average_momentum: retired since this run was made, and left out\n"
    )


def test_a_larger_picture_gets_finer_scales():
    paper = config.preset("paper")
    assert config.at_size(paper, 64) == paper
    assert config.at_size(paper, 96) == config.preset("paper", size=96)
    larger = config.at_size(paper, 256)
    assert larger.generator_widths == (16, 32, *paper.generator_widths)
    assert larger.discriminator_widths == (8, 16, *paper.discriminator_widths)
    for size, side in ((100, 16), (144, 32), (288, 64)):
        with pytest.raises(UserError, match=f"size {size}: must be a multiple of {side}$"):
            config.at_size(paper, size)
