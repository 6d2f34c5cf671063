"""A painting at work: what a page asks for is done at once, and the page is told what came of it; the restored face
follows. Messages are JSON: the page's are {"do": "stroke", with its arguments}, one of `Session.actions`."""

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from math import ceil, sqrt

from faceinpaint.paint import preview
from faceinpaint.paint.painting import Painting, box_of
from faceinpaint.photo.classical import eight_bits
from faceinpaint.photo.command import face_finder
from faceinpaint.photo.upright import upright

REST = 0.4  # seconds without a step, after which all is restored from the whole photo
NO_EYES = "No eyes are marked, so this is only continued from its surroundings: press e and click both eyes."


def for_the_page(notes) -> str:
    """Notes of `restore_photo`, without what the command line offers."""
    return "; ".join(re.sub(";[^;]*--.*", "", note) for note in notes)


def one_line(error) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


class Session:
    """Answers the messages of a page. Two threads restore, so that a stroke never waits for the last one's refinement.

    pixels: uint8 or uint16 RGB [H, W, 3]; seen: the same as the page shows it, where that is something else.
    restorer, options: as `restore_photo` takes them.
    send: called with each message for the page, a dict.
    """

    def __init__(self, pixels, painting: Painting, restorer, send, seen=None, **options):
        self.painting, self.send, self._pixels = painting, send, eight_bits(pixels)
        self._seen = self._pixels if seen is None else eight_bits(seen)
        self._restorer, self._options, self._step = restorer, options, ceil(sqrt(painting.mask.size / preview.DRAWN))
        self._quick, self._slow = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._quick.submit(import_module, "skimage.restoration.inpaint")  # or the first stroke would wait for that
        self._changed = self._restoring = None
        self._tasks = set()
        methods = painting.stroke, painting.mark, painting.undo, painting.redo, painting.clear
        self.actions = {method.__name__: method for method in methods} | {"show": self._show}
        if find_spec("mtcnn"):
            self.actions["find"] = lambda: self.begin(self._find())

    def receive(self, message):
        """Does what `message` asks for. What cannot be done, whatever it was, gets a line and loses nothing."""
        with self._telling() as news:
            asked = dict(message if isinstance(message, dict) else json.loads(message))
            news["done"] = asked.pop("id", None)
            if (name := asked.pop("do", None)) not in self.actions:
                raise ValueError("there is no such thing to do")
            self.actions[name](**asked)

    def _show(self, photo=True):
        """Tells a page that begins all there is; the `photo` only where it has none yet."""
        height, width = self.painting.mask.shape
        if photo:
            picture = preview.jpeg(self._seen, (0, 0, width, height), ceil(sqrt(width * height / preview.SHOWN)))
            self.send({"photo": picture, "step": self._step, "tools": list(self.actions)} | self._state())
        self.send({"mask": preview.mask_png(self.painting.mask, (0, 0, width, height), self._step)})
        self._restore(box_of(self.painting.mask))

    async def _find(self):
        """Looks for faces, by the package mtcnn, and marks their eyes, a step like any other."""
        self.send({"say": "Looking for faces …"})
        with self._telling():
            hole = self.painting.mask > 0
            faces = await self.in_thread(self._slow, face_finder(None, "auto"), self._pixels, hole, self._restorer)
            if not faces:
                raise ValueError("no face was found: click both eyes")
            self.painting.mark([eye for face in faces for eye in face[:2]])
            for face in faces:
                self.painting.settle(face[:3])

    @contextmanager
    def _telling(self):
        """Tells the page what has changed meanwhile, or why nothing has, and sees to it that it is restored."""
        painting, news = self.painting, {}
        mask, eyes = painting.mask, painting.eyes
        try:
            yield news
        except Exception as error:  # whatever a page may send: the painting stays, and goes on
            news["say"] = f"Not done: {one_line(error)}."
        box = box_of(mask ^ painting.mask) if mask is not painting.mask else (0, 0, 0, 0)
        if any(box):
            news["mask"] = preview.mask_png(painting.mask, box, self._step)
        self._restore(box if eyes == painting.eyes else box_of(painting.mask))
        self.send(news | self._state())

    def _state(self) -> dict:
        return {"eyes": self.painting.eyes, "hole": self.painting.hole_area, "brush": self.painting.brush}

    def begin(self, work):
        """Runs the coroutine `work` beside all else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # or it might be collected while it runs
        task.add_done_callback(self._tasks.discard)
        return task

    async def in_thread(self, thread, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(thread, function, *arguments)

    def _restore(self, box):
        """Restores what a change inside `box` touches, in the place of what is being restored."""
        if any(box):
            old = self._changed or box
            self._changed = (*map(min, old[:2], box[:2]), *map(max, old[2:], box[2:]))
            if self._restoring:
                self._restoring.cancel()
            self._restoring = self.begin(self._show_restored())

    async def _show_restored(self):
        """At once what has changed, reduced; all of it, from the whole photo, when the hand rests."""
        try:
            self.send(await self.in_thread(self._quick, self._patch, self._changed, preview.REDUCED))
            self._changed = None
            await asyncio.sleep(REST)
            if any(box := box_of(self.painting.mask)):
                self.send(await self.in_thread(self._slow, self._patch, box, max(self.painting.mask.shape)))
        except Exception as error:  # as many kinds as restoring has
            self.send({"say": f"Not restored: {one_line(error)}."})

    def _faces(self, mask):
        """The faces that are marked. Which way round one is, is looked at when it is first restored."""
        for face in self.painting.faces:
            if len(face) == 2:
                self.painting.settle(upright(self._pixels, mask > 0, face, self._restorer))
        return self.painting.faces

    def _patch(self, box, longest) -> dict:
        """The message that shows what is restored around `box`."""
        mask = self.painting.mask
        faces = self._faces(mask)
        box = preview.restoring_box(box, faces, mask.shape)
        part, notes = preview.restored_part(self._pixels, mask, faces, self._restorer, box, longest, **self._options)
        patch = {"patch": preview.jpeg(part, box, self._step)}
        return patch | ({"say": for_the_page(notes) if faces else NO_EYES} if notes else {})

    def close(self):
        """Ends the threads: what has begun is finished, what waits is left."""
        for thread in (self._quick, self._slow):
            thread.shutdown(cancel_futures=True)
