"""`python -m faceinpaint paint`: the page on which damage is painted, and the painting's files."""

import asyncio
import os
import shlex
import signal
import sys
import tempfile
import webbrowser
from pathlib import Path
from threading import Thread

import numpy as np

from faceinpaint import lite
from faceinpaint.config import UserError
from faceinpaint.paint.files import Work, as_text
from faceinpaint.paint.session import Session, one_line
from faceinpaint.photo.command import check_output, check_references, face_finder, read_references
from faceinpaint.photo.read import MAX_WHITE, read
from faceinpaint.photo.write import FORMATS, check_holds
from faceinpaint.system import signals
from faceinpaint.system.files import alone
from faceinpaint.system.loopback import Site, listen

FILES = [Path(__file__).with_name(name) for name in ("page.html", "canvas.js", "canvas.css")]


class Desk(Session):
    """The session of a page that can load and save. When the page is closed, or out of reach, all is saved."""

    def __init__(self, work: Work):
        self.work, self.site = work, Site(FILES, self.receive, lambda: self.begin(self.save()))
        photo = work.photo
        super().__init__(photo.colour(), work.painting, work.restorer, self.site.send, photo.seen(), **work.options)
        self.actions["save"] = lambda: self.begin(self.save())
        self.actions["close"] = lambda: self.begin(self.save(then=self.site.over.set))
        self.actions["load"] = work.load

    async def save(self, then=lambda: None):
        """Saves, and then goes on with `then`; where that fails, which can often be mended, it says why."""
        self.send({"say": "Saving …"})
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
            print(f"{work.photo.path}: saving …", file=sys.stderr, flush=True)
            desk.close()


def _save(work: Work) -> list[str]:
    """What `Work.save` says. The mask is written first, however often somebody presses Ctrl-C; to a temporary folder
    where its own cannot be written to, which the `UserError` then names."""
    with signals.handled(dict.fromkeys(signals.STOPPING, signal.SIG_IGN)):
        try:
            work.keep()
        except UserError as error:
            elsewhere = Path(tempfile.mkdtemp(prefix="faceinpaint-"), "mask.png")
            work.keep(elsewhere)
            reason = str(error).partition(";")[0]
            raise UserError(f"{reason}; what was painted is in {elsewhere}: mend this and give --mask") from error
    return work.save()


def _again(work: Work, run, other_half, references, reference_eyes) -> str:
    """What to type for the same result."""
    words = ["restore", work.photo.path, work.mask_path, "-o", work.out, "--exact-mask"]
    words += ["--damage", "white"] if work.painting.hole_area > MAX_WHITE else []
    words += [word for face in work.painting.faces for word in ("--eyes", as_text(face))]
    words += ["--run", run] if run else []
    words += [] if other_half else ["--no-other-half"]
    words += ["--reference", *references] if references else []
    words += [word for eyes in reference_eyes or () for word in ("--reference-eyes", eyes)]
    return f"python -m faceinpaint {shlex.join(map(str, words))}"


def paint(photo: Path, out: Path | None = None, mask: Path | None = None, run=None, eyes=None, port=0, other_half=True,
          references=(), reference_eyes=None):  # fmt: skip
    """The command `paint`. Raises `UserError` for what the user can mend; what is painted is saved however it ends.

    port: 0 for any that is free; other_half, references, reference_eyes: as the command `restore` has them.
    """
    suffix = photo.suffix if photo.suffix.lower() in FORMATS else ".png"
    picture, restorer = read(photo), lite.load(run)
    out = out or photo.with_name(f"{photo.stem}-restored{suffix}")
    others = read_references(references, reference_eyes, "auto", lambda: restorer)
    work = Work(picture, out, restorer, {"other_half": other_half, "references": others})
    check_output(out, photo, *([mask] if mask else []), *references)
    check_output(work.mask_path, photo, *references)
    check_references(photo, references)
    check_holds(out, picture)
    work.open(mask, face_finder(eyes, "none")(picture.colour(), np.zeros(picture.shape, bool)) if eyes else [])
    sockets = listen(port)
    with alone(photo, f"{photo}: another command paints it already; end that first"):
        others = not work.own and work.mask_path.exists()
        begins = [f"begins with {mask}; saving replaces {work.mask_path}"] if others else []
        _say(photo, *picture.notes, *begins)
        try:
            asyncio.run(_serve(work, sockets))
        finally:
            _say(photo, *_save(work))
    if work.painting.hole_area:
        print(f"{out}: restored")
    if work.painting.faces and 0 < work.painting.hole_area < 1:  # else `restore` looks for faces, or refuses
        print(f"again: {_again(work, run, other_half, references, reference_eyes)}")


def _say(photo, *lines):
    for line in lines:
        print(f"faceinpaint: {photo}: {line}", file=sys.stderr, flush=True)
