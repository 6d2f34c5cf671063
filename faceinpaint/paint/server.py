"""`python -m faceinpaint paint`: the page on which damage is painted, and the painting's files."""

import asyncio
import os
import sys
import webbrowser
from pathlib import Path
from threading import Thread

import numpy as np

from faceinpaint import lite
from faceinpaint.paint.files import Work, as_text
from faceinpaint.paint.session import Session, one_line
from faceinpaint.photo.command import check_output, face_finder
from faceinpaint.photo.read import read
from faceinpaint.photo.write import FORMATS, check_holds
from faceinpaint.system.loopback import Site, listen

FILES = [Path(__file__).with_name(name) for name in ("page.html", "canvas.js", "canvas.css")]


class Desk(Session):
    """The session of a page that can load and save. When the page is closed, or out of reach, all is saved."""

    def __init__(self, work: Work):
        self.work, self.site = work, Site(FILES, self.receive, lambda: self.begin(self.save()))
        super().__init__(work.photo.colour(), work.painting, work.restorer, self.site.send, **work.options)
        self.actions["save"] = lambda: self.begin(self.save())
        self.actions["close"] = lambda: self.begin(self.save(then=self.site.over.set))
        self.actions["load"] = work.load

    async def save(self, then=lambda: None):
        """Saves, and then goes on with `then`; where that fails, which can often be mended, it says why."""
        try:
            self.send({"say": (await self.in_thread(self._slow, self.work.save))[0]})
            then()
        except Exception as error:  # as many kinds as restoring and writing have
            reason = one_line(error).removeprefix(f"{self.work.out.parent}{os.sep}").partition(";")[0]
            self.send({"say": f"Not saved: {reason}."})


async def _serve(work: Work, sockets):
    desk = Desk(work)
    async with desk.site.served(sockets) as address:
        address += FILES[0].name
        print(f"{work.photo.path}: paint it at {address} (Ctrl-C saves and ends)", flush=True)
        if sys.platform in ("win32", "darwin") or {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ):
            Thread(target=webbrowser.open, args=[address], daemon=True).start()  # some return when they are closed
        try:
            await desk.site.over.wait()
            desk.send({"ended": True})
        finally:
            desk.close()


def paint(photo: Path, out: Path | None = None, mask: Path | None = None, run=None, eyes=None, port=0, **options):
    """The command `paint`. Raises `UserError` for what the user can mend; what is painted is saved however it ends.

    port: 0 for any that is free; options: as `restore_photo` takes them.
    """
    suffix = photo.suffix if photo.suffix.lower() in FORMATS else ".png"
    out, picture = out or photo.with_name(f"{photo.stem}-restored{suffix}"), read(photo)
    work = Work(picture, out, lite.load(run), options)
    check_output(out, photo, *([mask] if mask else []))
    check_output(work.mask_path, photo)
    check_holds(out, picture)
    faces = face_finder(eyes, "none")(picture.colour(), np.zeros(picture.shape, bool)) if eyes else []
    work.open(mask, [point for face in faces for point in face])
    sockets = listen(port)
    try:
        asyncio.run(_serve(work, sockets))
    finally:
        for line in (*picture.notes, *work.save()):
            print(f"faceinpaint: {photo}: {line}", file=sys.stderr)
    if work.painting.hole_area:
        named = "".join(f" --eyes {as_text(face)}" for face in work.painting.faces)
        print(f"{out}: restored; again: python -m faceinpaint restore {photo} {work.mask_path} -o {out}{named}")
