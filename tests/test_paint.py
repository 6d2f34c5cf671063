"""Painting a mask: strokes and steps worked by hand; a session driven by messages; the files; the page itself in a
browser, where there is one."""

import asyncio
import itertools
import os
import shlex
import signal
import threading
from pathlib import Path
from urllib.request import urlopen

import cv2
import numpy as np
import pytest

import faceinpaint
from faceinpaint.__main__ import main
from faceinpaint.bench import browser
from faceinpaint.paint import files, preview, server, session
from faceinpaint.paint.painting import Painting, box_of
from faceinpaint.paint.widget import Canvas
from faceinpaint.photo.repair import restore_photo

EYES = [(80, 90), (120, 90)]
NAMED = ["--eyes", "80,90,120,90"]


class Mirror:
    """Stands in for a generator: restores with the mirrored picture."""

    config = faceinpaint.preset("smoke")

    def restore(self, image, mask):
        return np.where(mask[..., None], image[:, ::-1], image)


def picture(height=160, width=200) -> np.ndarray:
    small = np.random.default_rng(1).integers(30, 226, (4, 5, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def drawn(painting) -> list[str]:
    return ["".join(".#"[int(value > 0)] for value in row) for row in painting.mask]


def test_a_stroke_is_what_lies_near_its_line():
    painting = Painting((5, 7)).stroke([(1, 1), (4, 1)], brush=1)
    assert drawn(painting) == [".......", ".####..", ".......", ".......", "......."]
    painting.stroke([(5, 3)], brush=3)
    assert drawn(painting) == [".......", ".####..", "....###", "....###", "....###"]
    painting.stroke([(5, 3)], brush=2, erase=True)
    assert drawn(painting) == [".......", ".####..", "....#.#", ".......", "....#.#"]
    assert set(np.unique(painting.mask)) == {0, 255}


def test_a_long_line_is_drawn_in_pieces_and_is_one_line():
    start, end = np.array((20.3, 990.1)), np.array((1180.7, 15.4))
    mask = Painting((1000, 1200)).stroke([start, end], brush=9).mask > 0
    x, y = np.meshgrid(np.arange(1200), np.arange(1000))
    way = (end - start) / np.linalg.norm(end - start)
    along = np.clip((x - start[0]) * way[0] + (y - start[1]) * way[1], 0, np.linalg.norm(end - start))
    near = np.hypot(x - start[0] - along * way[0], y - start[1] - along * way[1])
    assert (mask == (near <= 4.5))[np.abs(near - 4.5) > 1e-6].all()


def test_a_brush_of_one_pixel_never_misses():
    for x, y in [(2.5, 2.5), (2.4, 1.6), (0, 0)]:
        assert Painting((5, 6), brush=1).stroke([(x, y)]).mask.any()


def test_strokes_beyond_the_edge_are_cut_off():
    painting = Painting((4, 4), brush=2).stroke([(-3, 1), (9, 1)])
    assert drawn(painting) == ["####", "####", "####", "...."]
    assert not Painting((4, 4), brush=2).stroke([(-9, -9)]).mask.any()


def test_undo_and_redo_go_through_every_kind_of_step_in_order():
    painting, states = Painting((20, 30), brush=4), []
    steps = [
        lambda: painting.stroke([(3, 3), (20, 8)]),
        lambda: painting.mark([(4, 5)]),
        lambda: painting.stroke([(3, 3)], erase=True),
        lambda: painting.mark([(4, 5), (14, 5)]),
        lambda: painting.load(np.eye(20, 30)),
        lambda: painting.mark([]),
        painting.clear,
        lambda: painting.stroke([(9, 9)]),
    ]
    for step in steps:
        states.append((painting.mask.copy(), painting.eyes))
        step()
    last = painting.mask.copy(), painting.eyes
    for mask, eyes in reversed(states):
        painting.undo()
        assert (painting.mask == mask).all()
        assert painting.eyes == eyes
    with pytest.raises(ValueError, match="nothing to undo"):
        painting.undo()
    for mask, eyes in [*states[1:], last]:
        painting.redo()
        assert (painting.mask == mask).all()
        assert painting.eyes == eyes
    with pytest.raises(ValueError, match="nothing to redo"):
        painting.redo()


def test_a_new_stroke_ends_redo_and_what_changes_nothing_is_no_step():
    painting = Painting((9, 9), brush=2).stroke([(2, 2)]).stroke([(6, 6)])
    painting.undo()
    painting.stroke([(2, 2)])
    painting.clear()
    painting.undo()
    painting.redo()
    with pytest.raises(ValueError, match="nothing to redo"):
        painting.redo()
    painting.undo()
    painting.undo()
    assert not painting.mask.any()
    with pytest.raises(ValueError, match="nothing to undo"):
        painting.undo()


def test_eyes_make_faces_left_first():
    painting = Painting((100, 100))
    painting.mark([(60, 40)])
    assert painting.faces == []
    with pytest.raises(ValueError, match="too close to the other eye"):
        painting.mark([(60, 40), (61, 41)])
    assert painting.eyes == ((60, 40),)
    painting.mark([(60, 40), (30, 42), (61, 41)])
    assert [face.tolist() for face in painting.faces] == [[[30, 42], [60, 40]]]


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"mask: expected shape \[10, 20\], got \[20, 10\]"):
        Painting((10, 20), mask=np.eye(20, 10))
    painting = Painting((10, 20), mask=np.eye(10, 20))
    with pytest.raises(ValueError, match=r"got \[10, 20, 3\]"):
        painting.load(np.zeros((10, 20, 3)))
    assert painting.mask.sum() == 10 * 255
    assert painting.hole_area == 10 / 200


def decoded(address: str) -> np.ndarray:
    """What an image is that a page is told of: uint8 RGB or RGBA."""
    with urlopen(address) as file:
        pixels = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def test_the_preview_is_what_restoring_gives():
    image, painting = picture(), Painting((160, 200), brush=12, eyes=EYES).stroke([(84, 92), (100, 110)])
    box = preview.restoring_box(box_of(painting.mask), painting.faces, (160, 200))
    part, _ = preview.restored_part(image, painting.mask, painting.faces, Mirror(), box, preview.REDUCED)
    restored, _ = restore_photo(image, painting.mask, Mirror(), painting.faces)
    left, top, right, bottom = box
    assert (part == restored[top:bottom, left:right]).all()  # small enough not to be reduced


def test_only_the_whole_photo_is_drawn_as_large_as_the_restorer_can():
    sides = []

    class Finer(Mirror):
        finest = 2 * Mirror.config.size

        def restore(self, image, mask):
            sides.append(len(image))
            return super().restore(image, mask)

    image, eyes = picture(2400, 3000), [(1300, 1100), (1700, 1150)]
    painting = Painting((2400, 3000), brush=150, eyes=eyes).stroke([(1300, 1120), (1500, 1400)])
    box = preview.restoring_box(box_of(painting.mask), painting.faces, (2400, 3000))
    for longest in (preview.REDUCED, 3000):
        preview.restored_part(image, painting.mask, painting.faces, Finer(), box, longest)
        assert sides[-1] == (Finer.finest if longest == 3000 else Finer.config.size)


def test_the_preview_of_a_large_photo_is_close_to_restoring_it():
    image, eyes = picture(2400, 3000), [(1300, 1100), (1700, 1150)]
    painting = Painting((2400, 3000), brush=150, eyes=eyes).stroke([(1300, 1120), (1500, 1400)])
    box = preview.restoring_box(box_of(painting.mask), painting.faces, (2400, 3000))
    part, _ = preview.restored_part(image, painting.mask, painting.faces, Mirror(), box, preview.REDUCED)
    assert 512 <= max(part.shape) <= preview.REDUCED
    restored, _ = restore_photo(image, painting.mask, Mirror(), painting.faces)
    left, top, right, bottom = box
    small = cv2.resize(restored[top:bottom, left:right], part.shape[1::-1], interpolation=cv2.INTER_AREA)
    difference = np.abs(small.astype(float) - part)
    assert difference.mean() < 1
    assert difference.max() < 40


def test_of_several_faces_those_are_restored_again_that_a_stroke_touches():
    faces = [np.array(eyes) for eyes in ([(300, 300), (400, 300)], [(1500, 320), (1600, 300)])]
    left, top, right, bottom = preview.restoring_box((320, 290, 380, 310), faces, (1000, 2000))
    assert left < 150 < 550 < right < 1300
    assert top < 60 < 500 < bottom < 700
    assert preview.restoring_box((900, 20, 990, 30), faces, (1000, 2000)) == (879, 0, 1012, 52)


def test_a_thin_hole_is_seen_in_a_small_picture_where_it_lies():
    mask = np.zeros((300, 403), np.uint8)
    mask[101, 40:403] = 255
    told = preview.mask_png(mask, box_of(mask), step=4)
    assert told["box"] == (40, 100, 364, 4)  # left, top, width, height
    assert decoded(told["image"]).shape == (1, 91, 4)
    assert (decoded(told["image"]) == (*preview.PAINTED, 255)).all()


class Page:
    """A session at work, and what it has told."""

    def __init__(self, image, restorer, eyes=EYES, **options):
        self.told = asyncio.Queue()
        self.painting = Painting(image.shape[:2], eyes=eyes, brush=12)
        self.session = session.Session(image, self.painting, restorer, self.told.put_nowait, **options)

    async def ask(self, do, **more) -> dict:
        """The answer to a message."""
        self.session.receive({"do": do, **more})
        while "hole" not in (answer := await self.told.get()):
            pass
        return answer

    async def hear(self, key):
        """What is told next under `key`."""
        while key not in (news := await asyncio.wait_for(self.told.get(), 30)):
            pass
        return news[key]


def at_work(visit, image=None, restorer=None, **options):
    async def work():
        page = Page(picture() if image is None else image, restorer or Mirror(), **options)
        try:
            return await visit(page)
        finally:
            page.session.close()

    return asyncio.run(work())


def test_a_page_is_told_the_photo_the_mask_and_the_restored_face():
    async def visit(page):
        page.session.receive({"do": "show"})
        photo = await page.told.get()
        await page.ask("stroke", points=[[84, 92], [100, 110]], brush=12)
        return photo, await page.hear("patch"), page.painting

    photo, patch, painting = at_work(visit)
    assert photo["photo"]["box"] == (0, 0, 200, 160)
    assert photo["eyes"] == painting.eyes  # with the photo, or who is quick marks others in their place
    assert {"stroke", "mark", "undo", "redo", "clear", "show"} <= set(photo["tools"])
    assert not {"save", "load", "close"} & set(photo["tools"])
    assert np.abs(decoded(photo["photo"]["image"]).astype(int) - picture()).mean() < 3
    restored, _ = restore_photo(picture(), painting.mask, Mirror(), painting.faces)
    left, top, width, height = patch["box"]
    shown = decoded(patch["image"]).astype(int)
    assert np.abs(shown - restored[top : top + height, left : left + width]).mean() < 3


def test_every_step_tells_the_mask_as_it_is_then():
    async def visit(page):
        seen = np.zeros((160, 200), bool)
        steps = [("stroke", {"points": [[50, 50], [90, 60]], "brush": 9, "id": 7}), ("undo", {}), ("redo", {}),
                 ("stroke", {"points": [[60, 52]], "brush": 5, "erase": True, "id": 8}), ("clear", {})]  # fmt: skip
        for do, more in steps:
            news = await page.ask(do, **more)
            assert news["done"] == more.get("id")
            left, top, width, height = news["mask"]["box"]
            seen[top : top + height, left : left + width] = decoded(news["mask"]["image"])[..., 3] > 0
            assert (seen == (page.painting.mask > 0)).all(), do
            assert news["hole"] == page.painting.hole_area

    at_work(visit)


WRONG = [
    None, [], "stroke", {}, {"do": "format"}, {"do": "__init__"}, {"do": ["stroke"]}, {"do": "stroke"},
    {"do": "stroke", "points": [], "brush": 5}, {"do": "stroke", "points": [[1]], "brush": 5},
    {"do": "stroke", "points": [[1, float("nan")]], "brush": 5}, {"do": "stroke", "points": "here", "brush": 5},
    {"do": "stroke", "points": [[1, 10**400]], "brush": 5}, {"do": "stroke", "points": [[1, 2]], "brush": -5},
    {"do": "stroke", "points": [[1, 2]], "brush": 1e99}, {"do": "stroke", "points": [[1, 2]], "brush": "a"},
    {"do": "stroke", "points": [[1, 2]], "brush": 5, "path": "x"}, {"do": "mark", "eyes": [[1, 2], [1, 2]]},
    {"do": "mark", "eyes": {"x": 1}}, {"do": "save"}, {"do": "load", "path": "x"}, {"do": "undo", "n": 3},
    "[" * 50_000, '{"do": "undo"', b"\xff\xfe\x00", '{"do": "stroke", "points": [[1, NaN]], "brush": 5}',
]  # fmt: skip


def test_a_wrong_message_gets_one_line_and_loses_nothing():
    async def visit(page):
        page.painting.stroke([(50, 50)], brush=9)
        before, said = page.painting.mask, []
        for message in WRONG:
            page.session.receive(message)
            news = await page.told.get()
            assert "hole" in news
            said.append(news["say"])
            assert page.painting.mask is before
            assert page.painting.eyes == tuple(EYES)
        await page.ask("undo")
        return said

    said = at_work(visit)
    assert all(line.startswith("Not done: ") and "\n" not in line and len(line) < 250 for line in said), said


def test_a_stroke_does_not_wait_for_the_last_ones_refinement(monkeypatch):
    """The refinement is held up: the next stroke's restored face comes all the same, and the held one is not shown."""
    monkeypatch.setattr(session, "REST", 0.01)
    held, calls = threading.Event(), []

    class Slow(Mirror):
        def restore(self, image, mask):
            calls.append(threading.current_thread())
            if calls[-1] != calls[0]:  # the thread that refines
                assert held.wait(30)
            return super().restore(image, mask)

    async def visit(page):
        await page.ask("stroke", points=[[84, 92]], brush=12)
        await page.hear("patch")
        while len(set(calls)) < 2:
            await asyncio.sleep(0.01)
        await page.ask("stroke", points=[[110, 110]], brush=12)
        first = await page.hear("patch")
        assert page.told.empty()
        held.set()
        second = await page.hear("patch")
        return first, second

    try:
        first, second = at_work(visit, restorer=Slow())
    finally:
        held.set()
    turns = [thread for thread, _ in itertools.groupby(calls)]
    assert len(turns) == 4
    assert turns[0] == turns[2] != turns[1] == turns[3]
    assert first["image"] == second["image"]  # a small photo is not reduced


class Counting(Mirror):
    """Counts the looks at the network, and draws upside-down faces better."""

    def __init__(self, upside_down=False):
        self.looks, self.upside_down = 0, upside_down

    def restore(self, image, mask):
        self.looks += 1
        right = (image[: len(image) // 2].mean() < image[len(image) // 2 :].mean()) != self.upside_down
        return image if right else np.where(mask[..., None], 255 - image, image)


def shaded() -> np.ndarray:
    """Dark at the top."""
    return np.repeat(np.linspace(40, 220, 160, dtype=np.uint8)[:, None, None], 200, axis=1).repeat(3, axis=2)


@pytest.mark.parametrize("upside_down", [False, True])
def test_which_way_round_a_face_is_is_looked_at_once(upside_down, monkeypatch):
    monkeypatch.setattr(session, "REST", 30)
    restorer, looks = Counting(upside_down), []

    async def visit(page):
        for points in ([[84, 92]], [[100, 110]], [[110, 100]]):
            before = restorer.looks
            await page.ask("stroke", points=points, brush=12)
            await page.hear("patch")
            looks.append(restorer.looks - before)
        await page.ask("mark", eyes=[[79, 90], [120, 90]])
        await page.hear("patch")
        return page.painting

    painting = at_work(visit, image=shaded(), restorer=restorer)
    assert looks == [3, 1, 1]
    assert restorer.looks == 8
    (face,) = painting.faces
    assert face[:2].tolist() == ([[120, 90], [79, 90]] if upside_down else [[79, 90], [120, 90]])
    assert (face[2, 1] > 90) != upside_down


def test_notes_on_the_page_leave_out_what_the_command_line_offers():
    notes = ["taken for a face, the likelier way; to say otherwise, add its nose: --eyes X1,Y1", "larger, softer"]
    assert session.for_the_page(notes) == "taken for a face, the likelier way; larger, softer"


def test_what_was_erased_is_seen_as_grey(tmp_path):
    from faceinpaint.photo.read import read

    erased = np.dstack([picture(), np.full((160, 200), 255, np.uint8)])
    erased[40:60, 50:90, 3] = 10
    cv2.imwrite(str(tmp_path / "erased.png"), erased)
    photo = read(tmp_path / "erased.png")
    assert (photo.seen()[40:60, 50:90] == 127).all()
    assert (photo.seen()[:40] == photo.colour()[:40]).all()
    assert photo.seen().dtype == np.uint8


def test_a_picture_of_a_few_columns_is_reduced():
    assert preview._reduced(np.zeros((3000, 2, 3), np.uint8), 500).shape == (500, 1, 3)


def test_without_eyes_or_when_restoring_fails_the_page_says_so():
    class Broken(Mirror):
        def restore(self, image, mask):
            raise RuntimeError("no such luck\nat all")

    async def visit(page):
        await page.ask("stroke", points=[[84, 92]], brush=12)
        return await page.hear("say")

    assert at_work(visit, eyes=()) == session.NO_EYES
    assert at_work(visit, restorer=Broken()) == "Not restored: no such luck at all."


def test_faces_are_proposed_where_mtcnn_is_installed(monkeypatch):
    monkeypatch.setattr(session, "find_spec", lambda name: name)
    landmarks = np.array([(70, 80), (110, 82), (90, 95), (75, 110), (105, 110)])
    monkeypatch.setattr(session, "face_finder", lambda eyes, align: lambda pixels, hole, restorer: [landmarks])

    async def visit(page):
        await page.ask("find")
        return (await page.hear("eyes")), page.painting

    eyes, painting = at_work(visit, eyes=())
    assert eyes == painting.eyes == ((70, 80), (110, 82))
    assert painting.faces[0].tolist() == [[70, 80], [110, 82], [90, 95]]
    painting.undo()
    assert painting.eyes == ()


def test_a_widget_is_such_a_page_and_keeps_the_saved_mask_where_nobody_paints():
    image, saved = picture(), np.zeros((160, 200), np.uint8)
    saved[40:60, 50:90] = 1
    made = Canvas(image, Mirror(), EYES, mask=saved, brush=10)
    assert (made.painting.mask > 0).tolist() == (saved > 0).tolist()
    assert made.painting.brush == 10
    assert np.allclose(made.painting.faces, [EYES])
    assert Canvas(picture(300, 200), Mirror(), EYES, mask=saved).painting.hole_area == 0

    sent = []

    class Seen(Canvas):
        def send(self, content, buffers=None):
            sent.append(content)

    async def painted():
        canvas = Seen(image, Mirror(), EYES, mask=saved)
        canvas._handle_custom_msg({"do": "stroke", "points": [[100, 100]], "brush": 8}, [])
        while not any("patch" in message for message in sent):
            await asyncio.sleep(0.01)
        return canvas.painting

    painting = asyncio.run(asyncio.wait_for(painted(), 30))
    assert painting.mask[100, 100]
    assert painting.mask[50, 60]


@pytest.fixture
def photo(tmp_path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), picture()[..., ::-1])
    return path


def mask_of(photo) -> np.ndarray:
    return cv2.imread(str(photo.with_name(f"{photo.stem}-restored-mask.png")), cv2.IMREAD_GRAYSCALE)


def served(monkeypatch, visit):
    """`paint` with `visit(desk)`, which may wait, in the place of a page."""

    async def instead(work, sockets):
        desk = server.Desk(work)
        try:
            await visit(desk)
        finally:
            desk.close()

    monkeypatch.setattr(server, "_serve", instead)


async def draw_a_hole(desk):
    desk.receive({"do": "mark", "eyes": EYES})
    desk.receive({"do": "stroke", "points": [[90, 100], [110, 100]], "brush": 5})


async def clear(desk):
    desk.receive({"do": "clear"})


async def nothing(desk):
    pass


def test_closing_saves_and_the_next_time_goes_on(photo, lite_run, monkeypatch, capsys):
    before = photo.read_bytes()
    served(monkeypatch, draw_a_hole)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 0
    printed = capsys.readouterr()
    assert "photo-restored.png: restored\nagain: python -m faceinpaint restore" in printed.out
    assert "saved: photo-restored.png and photo-restored-mask.png" in printed.err
    mask, first = mask_of(photo), cv2.imread(str(photo.with_name("photo-restored.png")))[..., ::-1]
    assert mask[100, 90:111].all()
    assert (first[mask == 0] == picture()[mask == 0]).all()
    assert (first[mask > 0] != picture()[mask > 0]).any()
    assert photo.read_bytes() == before
    again = []

    async def look(desk):
        again.append((desk.painting.mask, desk.painting.eyes))

    served(monkeypatch, look)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 0
    assert (again[0][0] == mask).all()
    assert np.allclose(again[0][1], EYES, atol=0.05)


def test_what_restore_is_told_gives_the_same(photo, lite_run, monkeypatch, capsys, tmp_path):
    served(monkeypatch, draw_a_hole)
    main(["paint", str(photo), "--run", str(lite_run)])
    words = capsys.readouterr().out.split("faceinpaint ")[1].split()
    other = tmp_path / "other.png"
    words[words.index("-o") + 1] = str(other)
    assert main(words) == 0
    restored = cv2.imread(str(photo.with_name("photo-restored.png"))).astype(int)
    assert np.abs(restored - cv2.imread(str(other))).mean() < 0.5  # the eyes are named to a tenth of a pixel


def test_what_the_command_is_told_of_detail_holds_in_the_page_and_is_told_again(
    photo, lite_run, monkeypatch, capsys, tmp_path
):
    other = tmp_path / "an other.png"
    cv2.imwrite(str(other), picture()[..., ::-1])
    given = []

    async def look(desk):
        given.append(desk.work.options)
        await draw_a_hole(desk)

    served(monkeypatch, look)
    asked = ["--no-other-half", "--reference", str(other), "--reference-eyes", "-1,90,120,90"]
    assert main(["paint", str(photo), "--run", str(lite_run), *asked]) == 0
    printed = capsys.readouterr()
    (options,) = given
    assert options["other_half"] is False
    assert [reference.name for reference in options["references"]] == ["an other.png"]
    assert np.allclose(options["references"][0].landmarks, [(-1, 90), (120, 90)])
    assert "an other.png" in printed.err  # what was taken from it, or that nothing was
    words = shlex.split(printed.out.split("faceinpaint ")[-1])
    assert words[0] == "restore"
    assert words[-7:] == ["--run", str(lite_run), *asked]
    result = cv2.imread(str(photo.with_name("photo-restored.png"))).astype(int)
    words[words.index("-o") + 1] = str(tmp_path / "again.png")
    assert main(words) == 0
    assert np.abs(result - cv2.imread(str(tmp_path / "again.png"))).mean() < 0.5


def test_a_nose_says_which_way_round_a_face_is(photo, lite_run, monkeypatch):
    faces = []

    async def look(desk):
        faces.extend(desk.painting.faces)

    served(monkeypatch, look)
    assert main(["paint", str(photo), "--run", str(lite_run), "--eyes", "80,90,120,90,100,60"]) == 0
    assert faces[0].tolist() == [[80, 90], [120, 90], [100, 60]]


def test_a_mask_of_most_of_the_photo_is_gone_on_from(photo, lite_run, monkeypatch, capsys):
    async def paint_most(desk):
        desk.receive({"do": "mark", "eyes": EYES})
        desk.receive({"do": "stroke", "points": [[0, 100], [199, 100]], "brush": 100})

    served(monkeypatch, paint_most)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 0
    assert "--damage white" in capsys.readouterr().out
    areas = []

    async def look(desk):
        desk.receive({"do": "load"})
        areas.append(desk.painting.hole_area)

    served(monkeypatch, look)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 0
    assert areas[0] > 0.5


def test_what_is_painted_is_saved_even_when_it_ends_badly(photo, lite_run, monkeypatch):
    async def interrupted(desk):
        await draw_a_hole(desk)
        raise KeyboardInterrupt

    served(monkeypatch, interrupted)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 130
    assert mask_of(photo).any()
    assert photo.with_name("photo-restored.png").exists()


@pytest.mark.parametrize("where", ["restore_photo", "write"])
def test_another_ctrl_c_while_saving_leaves_the_mask(where, photo, lite_run, monkeypatch):
    async def interrupted(desk):
        await draw_a_hole(desk)
        raise KeyboardInterrupt

    def again(*_, **__):
        raise KeyboardInterrupt

    served(monkeypatch, interrupted)
    monkeypatch.setattr(files, where, again)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 130
    assert mask_of(photo)[100, 90:111].all()
    assert not photo.with_name("photo-restored.png").exists()


def test_ctrl_c_does_not_interrupt_the_mask(photo, lite_run, monkeypatch):
    keep = files.Work.keep

    def interrupted(work, *arguments):
        os.kill(os.getpid(), signal.SIGINT)
        keep(work, *arguments)

    served(monkeypatch, draw_a_hole)
    monkeypatch.setattr(files.Work, "keep", interrupted)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 0
    assert mask_of(photo).any()


def test_one_thread_saves_at_a_time(photo, lite_run, monkeypatch):
    begun, go_on, at_once = threading.Event(), threading.Event(), []
    write = files.Work._write

    def slowly(work, *arguments):
        at_once.append(len(at_once))
        begun.set()
        go_on.wait(30)
        return write(work, *arguments)

    async def visit(desk):
        await draw_a_hole(desk)
        threading.Thread(target=desk.work.save).start()
        begun.wait(30)
        threading.Timer(0.2, go_on.set).start()

    served(monkeypatch, visit)
    monkeypatch.setattr(files.Work, "_write", slowly)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 0
    assert at_once == [0]  # the other found all saved


def test_where_the_folder_is_gone_the_strokes_are_kept_elsewhere(photo, lite_run, monkeypatch, capsys, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    there = photo.rename(folder / photo.name)

    async def move(desk):
        await draw_a_hole(desk)
        folder.rename(tmp_path / "moved")

    served(monkeypatch, move)
    monkeypatch.setattr(server.tempfile, "tempdir", str(tmp_path))
    assert main(["paint", str(there), "--run", str(lite_run)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "photo-restored-mask.png: No such file or directory; what was painted is in " in line
    mask = Path(line.partition(" is in ")[2].partition(": mend")[0])
    assert cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)[100, 90:111].all()
    assert np.allclose(files._eyes_in(mask), EYES, atol=0.1)


def test_a_name_as_long_as_names_can_be(photo, lite_run, monkeypatch, capsys):
    for stem, code in (("a" * 237, 0), ("b" * 238, 2)):  # with -restored-mask.png it has 255 bytes
        long = photo.with_name(f"{stem}.png")
        long.write_bytes(photo.read_bytes())
        served(monkeypatch, draw_a_hole if code == 0 else lambda desk: pytest.fail("it was served"))
        assert main(["paint", str(long), "--run", str(lite_run)]) == code
    assert "File name too long" in capsys.readouterr().err
    assert mask_of(photo.with_name("a" * 237 + ".png")).any()


def test_one_command_at_a_time_paints_a_photo(photo, lite_run, monkeypatch, capsys):
    async def another(desk):
        await draw_a_hole(desk)
        served(monkeypatch, lambda desk: pytest.fail("it was served"))
        assert main(["paint", str(photo), "--run", str(lite_run)]) == 2
        assert "photo.png: another command paints it already; end that first\n" in capsys.readouterr().err

    served(monkeypatch, another)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 0


def test_a_mask_that_was_not_opened_is_replaced_with_a_word_and_never_removed(photo, lite_run, monkeypatch, capsys):
    served(monkeypatch, draw_a_hole)
    main(["paint", str(photo), "--run", str(lite_run)])
    own = photo.with_name("photo-restored-mask.png")
    other, before = photo.with_name("other.png"), own.read_bytes()
    cv2.imwrite(str(other), 255 * (np.arange(160 * 200).reshape(160, 200) < 4000))
    served(monkeypatch, clear)
    capsys.readouterr()
    assert main(["paint", str(photo), "--run", str(lite_run), "--mask", str(other)]) == 0
    assert f"begins with {other}; saving replaces {own}\n" in capsys.readouterr().err
    assert own.read_bytes() == before
    assert main(["paint", str(photo), "--run", str(lite_run), "--mask", str(own)]) == 0
    assert "begins with" not in capsys.readouterr().err
    assert not own.exists()


def test_a_photo_painted_all_over_is_gone_on_from(photo, lite_run, monkeypatch, capsys, recwarn):
    async def paint_all(desk):
        desk.receive({"do": "mark", "eyes": EYES})
        desk.receive({"do": "stroke", "points": [[100, 80]], "brush": 400})

    areas = []

    async def look(desk):
        areas.append(desk.painting.hole_area)

    for visit in (paint_all, look):
        served(monkeypatch, visit)
        assert main(["paint", str(photo), "--run", str(lite_run)]) == 0
    assert areas == [1.0]
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]
    assert "again:" not in capsys.readouterr().out  # `restore` refuses such a mask


@pytest.mark.parametrize("words", ["blue", "1 2 3", "nan nan 3 4"])
def test_damaged_eyes_in_a_mask_are_none(words, tmp_path):
    from PIL import Image, PngImagePlugin

    texts = PngImagePlugin.PngInfo()
    texts.add_text("eyes", words)
    Image.new("L", (9, 9)).save(tmp_path / "mask.png", pnginfo=texts)
    assert files._eyes_in(tmp_path / "mask.png") == []


def test_a_mask_of_another_photo_is_named_as_such(photo, lite_run, monkeypatch, capsys):
    cv2.imwrite(str(photo.with_name("photo-restored-mask.png")), np.eye(30, dtype=np.uint8) * 255)
    served(monkeypatch, lambda desk: pytest.fail("it was served"))
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 2
    assert "if it is another photo's, move it away, or give another -o\n" in capsys.readouterr().err


def test_what_a_kind_of_file_loses_is_said(photo, lite_run, monkeypatch, capsys):
    served(monkeypatch, draw_a_hole)
    out = photo.with_name("out.jpg")
    assert main(["paint", str(photo), "--run", str(lite_run), "-o", str(out)]) == 0
    assert "loses a little when it is written, outside the hole too" in capsys.readouterr().err


def test_nothing_painted_nothing_saved(photo, lite_run, monkeypatch, capsys):
    served(monkeypatch, nothing)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 0
    assert "nothing is painted" in capsys.readouterr().err
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


def test_a_full_disk_leaves_the_page_open_and_the_strokes_there(photo, lite_run, monkeypatch):
    def full_disk(_):
        raise OSError(28, "No space left on device")

    async def visit(desk):
        told = []  # not the patches: the fill sends its own whenever it is ready
        desk.send = lambda message: told.append(message["say"]) if "say" in message else None
        await draw_a_hole(desk)
        mask = desk.painting.mask
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full_disk)
            for action in ("save", "close"):
                told.clear()
                await desk.actions[action]()
                assert told == ["Saving …", "Not saved: photo-restored-mask.png: No space left on device."]
        assert not desk.site.over.is_set()
        assert desk.painting.mask is mask
        assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]
        await desk.actions["close"]()
        assert "saved: " in told[-1]
        assert desk.site.over.is_set()
        assert photo.with_name("photo-restored.png").exists()

    served(monkeypatch, visit)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 0


def test_a_cleared_mask_stays_cleared(photo, lite_run, monkeypatch, capsys):
    served(monkeypatch, draw_a_hole)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 0
    result = photo.with_name("photo-restored.png").read_bytes()
    served(monkeypatch, clear)
    assert main(["paint", str(photo), "--run", str(lite_run)]) == 0
    printed = capsys.readouterr().err
    assert "nothing is painted: photo-restored-mask.png is removed, photo-restored.png left as it is" in printed
    assert photo.with_name("photo-restored.png").read_bytes() == result
    assert mask_of(photo) is None


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["-o", "photo.png"], "photo.png: is photo.png, which is never written over"),
        (["-o", "none/out.png"], "there is no folder none"),
        (["-o", "out.xyz"], "'.xyz' is no kind of picture"),
        (["--mask", "none.png"], "none.png: no such file"),
        (["--reference-eyes", "1,2,30,4"], "--reference-eyes: names eyes in a --reference, but there is none"),
        (["--reference", "none.png", "--reference-eyes", "1,2,30,4"], "none.png: no such file"),
        (["--reference", "photo.png", "--reference-eyes", "80,90,120,90"], "--reference is the photo itself"),
        (["-o", "../o.png", "--reference", "../o.png", "--reference-eyes", "80,90,120,90"], "never written over"),
        (["--eyes", "1,2,3"], "--eyes 1,2,3: not four numbers; give both eyes"),
        (["--port", "70000"], "--port 70000: cannot be had (a port is at most 65535); leave it out"),
    ],
)
def test_refusals(options, part, photo, lite_run, monkeypatch, capsys):
    monkeypatch.chdir(photo.parent)
    Path("../o.png").write_bytes(photo.read_bytes())
    served(monkeypatch, lambda desk: pytest.fail("it was served"))
    assert main(["paint", "photo.png", "--run", str(lite_run), *options]) == 2
    printed = capsys.readouterr().err
    assert part in printed
    assert printed.count("\n") == 1
    assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


@pytest.mark.parametrize("place", [".", "/"])
def test_a_folder_is_no_photo(place, lite_run, capsys):
    assert main(["paint", place, "--run", str(lite_run)]) == 2
    assert capsys.readouterr().err == f"faceinpaint: {place}: a folder; give a picture\n"


IN_A_BROWSER = pytest.mark.skipif(
    not browser.installed(), reason="no browser to drive (Debian: apt-get install chromium chromium-driver)"
)


class Person(browser.Hand):
    """Reads the page, too, and uses its keys and the mouse's wheel."""

    def says(self, part, *, where=".facts"):
        find = self.driver.find_element
        return browser.until(lambda: part in find("css selector", where).text and find("css selector", where).text)

    def keys(self, *keys):
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def wheel(self, place, steps, control=False):
        from selenium.webdriver import ActionChains, Keys
        from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

        origin = ScrollOrigin.from_viewport(*self.place(*place))
        if control:
            ActionChains(self.driver).key_down(Keys.CONTROL).perform()
        for _ in range(abs(steps)):
            ActionChains(self.driver).scroll_from_origin(origin, 0, -100 if steps > 0 else 100).perform()
        if control:
            ActionChains(self.driver).key_up(Keys.CONTROL).perform()

    def control(self, key, shift=False):
        script = """document.activeElement.dispatchEvent(new KeyboardEvent("keydown",
                    {key: arguments[0], code: "KeyZ", ctrlKey: true, shiftKey: arguments[1], bubbles: true}))"""
        self.driver.execute_script(script, key, shift)

    def pen(self, kind, point):
        x, y = self.place(*point)
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"}
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def touch(self, kind, *points):
        touched = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})


@IN_A_BROWSER
def test_the_page_answers_to_mouse_pen_wheel_and_keys(photo, lite_run):
    from selenium.webdriver import ActionChains, Keys

    options = ("--run", str(lite_run))
    with browser.painting(photo, *options) as (process, address), browser.browser(address) as driver:
        person = Person(driver, (200, 160))
        assert "Click the middle of both eyes" in person.says("Click", where=".say")
        for eye in EYES:
            person.stroke(eye)
        person.says("faces: 1")
        person.wheel((100, 80), 2)
        person.says("brush: 7 px")
        person.stroke((80, 110), (120, 110))
        assert person.restored()
        person.stroke((100, 110), button=2)  # erases
        person.stroke((150, 40), (160, 40), kind="pen", panel=1)
        person.stroke((20, 20))
        before = person.says("painted")
        person.keys("u")
        browser.until(lambda: person.says("painted") < before)
        person.keys("r")
        person.says(before)
        person.keys("u")
        for undo, redo in (("Z", "z"), ("я", "Я")):  # with the shift lock; in Russian
            person.control(redo, shift=True)
            person.says(before)
            person.control(undo)
            browser.until(lambda: person.says("painted") < before)

        person.wheel((60, 130), 4, control=True)
        assert "zoom: 1.7" in person.says("zoom")
        person.stroke((60, 130), (75, 130), button=1)  # moves the photo
        ActionChains(driver).key_down(Keys.SPACE).perform()
        person.stroke((60, 130), (60, 125))
        ActionChains(driver).key_up(Keys.SPACE).perform()
        person.stroke((50, 135), (60, 135))
        person.keys("0", "]")
        person.stroke((150, 120), button=2)  # nothing is painted there; the brush is there now
        person.keys(Keys.ENTER, *[Keys.ARROW_RIGHT] * 4, Keys.ENTER, "e")
        person.stroke(EYES[0], (83, 92))
        person.keys("s")
        assert "photo-restored.png and photo-restored-mask.png" in person.says("saved", where=".say")
        mask = mask_of(photo) > 0
        assert mask[110, 80:95].all()
        assert mask[110, 105:120].all()
        assert not mask[110, 99:102].any()
        assert mask[:, 85].sum() == pytest.approx(7, abs=1)
        assert mask[40, 150:161].all()
        assert not mask[20, 20]
        assert mask[135, 50:61].all()
        assert mask[120, 151:157].all()
        mask[106:115, 75:126] = mask[35:46, 145:166] = mask[130:141, 45:66] = mask[114:127, 145:165] = False
        assert not mask.any()
        assert np.allclose(files._eyes_in(photo.with_name("photo-restored-mask.png")), [(83, 92), EYES[1]], atol=1)

        painted = person.says("painted").partition(" · brush")[0]
        driver.refresh()
        assert "faces: 1" in person.says(painted)
        driver.switch_to.new_window("tab")
        driver.get(address)
        assert "Another tab is at work" in person.says("Another", where=".notice")
        driver.close()
        driver.switch_to.window(driver.window_handles[0])
        person.keys("c")
        person.says("0.00 % painted")
        person.keys("l")
        person.says(painted)
        person.keys("q")
        assert "the command has ended" in person.says("Saved", where=".notice")
        assert process.wait(30) == 0
        assert "again: python -m faceinpaint restore" in process.stdout.read()
        assert not [line for line in driver.get_log("browser") if "favicon" not in line["message"]]


@IN_A_BROWSER
def test_a_small_face_a_palm_and_a_lost_connection(tmp_path, lite_run):
    photo = tmp_path / "wide.png"
    cv2.imwrite(str(photo), picture(1600, 2000))
    options = ("--run", str(lite_run))
    with browser.painting(photo, *options) as (process, address), browser.browser(address, 700, 560) as driver:
        person = Person(driver, (2000, 1600))
        person.stroke((900, 800))
        person.says("Now the other eye", where=".say")
        person.stroke((930, 800))  # nearer than what takes hold of an eye
        person.says("faces: 1")
        person.keys("f")
        person.says("faces: 0")
        person.says("Click the middle of both eyes", where=".say")  # and not the brush
        person.stroke((300, 900))
        person.stroke((100, 900), (-150, 900), panel=1)  # beyond the torn edge
        person.says("faces: 1")
        for kind, point in (("mousePressed", (400, 400)), ("mouseMoved", (600, 400))):
            person.pen(kind, point)
        person.touch("touchStart", person.place(1500, 1400))
        person.touch("touchMove", person.place(1500, 1200))
        for kind in ("mouseMoved", "mouseReleased"):
            person.pen(kind, (800, 400))
        person.touch("touchEnd")
        assert person.restored()
        person.keys("s")
        person.says("saved", where=".say")
        mask = mask_of(photo) > 0
        assert mask[400, 400:800].all()
        assert not mask[:300].any()
        assert not mask[500:].any()
        eyes = files._eyes_in(photo.with_name("wide-restored-mask.png"))
        assert np.allclose(eyes, [(-150, 900), (300, 900)], atol=8)

        driver.execute_script("""const send = WebSocket.prototype.send;
                                 WebSocket.prototype.send = function() { this.close(); WebSocket.prototype.send = send }
                              """)
        person.keys("c")  # the message is lost with the connection
        person.says("0.00 % painted")
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 129


@IN_A_BROWSER
def test_a_hand_that_comes_before_the_photo_marks_no_eyes(photo, lite_run):
    early = """
const done = arguments[0], sent = [], el = document.createElement("div");
import("./canvas.js").then((canvas) => {
  canvas.default.render({ model: { on() {}, send: (asked) => sent.push(asked.do) }, el });
  const enter = () => new KeyboardEvent("keydown", { key: "Enter", bubbles: true });
  for (const time of [1, 2]) el.querySelector(".panel").dispatchEvent(enter());
  done(sent);
});"""
    options = ("--run", str(lite_run))
    with browser.painting(photo, *options) as (_, address), browser.browser(address) as driver:
        assert driver.execute_async_script(early) == ["show"]


@IN_A_BROWSER
def test_fingers_on_a_phone_paint_a_photo_of_more_than_12_megapixels(tmp_path, lite_run):
    """It is shown reduced, and painted in its own pixels. When the page is closed, or Ctrl-C comes, all is saved."""
    photo = tmp_path / "large.bmp"
    cv2.imwrite(str(photo), picture(3100, 4200))
    options = ("--run", str(lite_run), "--eyes", "1600,1200,2200,1220")
    with (
        browser.painting(photo, *options) as (process, address),
        browser.browser(address, 390, 844, phone=True) as driver,
    ):
        person = Person(driver, (4200, 3100))
        for x in (1500, 1700, 1900):
            person.touch("touchStart" if x == 1500 else "touchMove", person.place(x, 1300))
        person.touch("touchEnd")
        assert person.restored()
        painted = person.says("painted").partition(" · ")[0]
        x, y = person.place(1900, 1300)
        person.touch("touchStart", (x - 20, y))
        person.touch("touchMove", (x - 24, y))
        person.touch("touchStart", (x - 24, y), (x + 20, y))
        for step in range(1, 11):
            person.touch("touchMove", (x - 24 - 4 * step, y), (x + 20 + 4 * step, y))
        person.touch("touchEnd")
        assert "zoom: 2." in person.says("zoom: 2")
        assert painted in person.says(painted)  # the first finger drew no stroke
        person.touch("touchStart", person.place(1900, 1600))
        person.touch("touchEnd")
        assert person.restored()
        sizes = driver.execute_script("return [...document.querySelectorAll('canvas')].map((c) => [c.width, c.height])")
        assert sizes == [[1400, 1034]] * 2
        assert driver.execute_script("return document.querySelector('img').naturalWidth") == 2100
        colour = "return document.querySelectorAll('canvas')[1].getContext('2d').getImageData(567, 433, 1, 1).data"
        assert driver.execute_script(colour)[3] == 255
        width = driver.execute_script("return document.documentElement.scrollWidth")
        assert width <= 390
        page = driver.current_window_handle
        driver.switch_to.new_window("tab")
        tab = driver.current_window_handle
        driver.switch_to.window(page)
        driver.close()  # and not by ending the browser: that may take longer than the patience of `paint`
        driver.switch_to.window(tab)
        driver.get(address)  # a page again: saving so large a photo may take longer than that patience as well
        browser.until(lambda: photo.with_name("large-restored.bmp").exists())
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    mask = mask_of(photo) > 0
    assert mask[1300, 1500:1900].all()
    assert mask[1600, 1900]
    assert mask[:1150].sum() == mask[1750:].sum() == 0
    assert mask[:, 1700].sum() == pytest.approx(105, abs=2)  # a fortieth of the photo's longer side
