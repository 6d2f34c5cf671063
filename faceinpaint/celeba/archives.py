"""Images in a folder or an archive: listed by name and read as encoded bytes, in place. Nothing is unpacked."""

import hashlib
import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from faceinpaint.celeba.partition import CELEBA_HOME, PARTITION_FILES, celeba_number, hash_fraction, parse_partition
from faceinpaint.config import UserError

OFFICIAL = "img_align_celeba"  # the folder of CelebA's aligned images, and the zip of it
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
ARCHIVE_SUFFIXES = (".zip", ".whl", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
UNREADABLE_ARCHIVE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)


def _is_wanted(member: str) -> bool:
    path = PurePosixPath(member)
    return path.suffix.lower() in IMAGE_SUFFIXES and not any(p[0] == "." or p == "__MACOSX" for p in path.parts)


def _image_names(members: Iterable[str]) -> dict[str, str]:
    """Image name → member. CelebA's names lose their folders. Of such a name found twice the first does: the others
    are frames of another film, say, or, beside a folder of CelebA's own, the same faces once more, and left out."""
    names: dict[str, str] = {}
    for member in filter(_is_wanted, members):
        name = PurePosixPath(member).name if celeba_number(member) else member
        if name not in names:
            names[name] = member
        elif OFFICIAL not in names[name]:
            names[member] = member
    return names


def _partition_beside(path: Path) -> Path | None:
    """The partition file beside `path` or one folder up, where the official Eval folder lies as well."""
    folders = [folder for up in path.parents[:2] for folder in (up, up / "Eval")]
    return next((file for folder in folders for name in PARTITION_FILES if (file := folder / name).is_file()), None)


def _stamp(path: str | Path) -> list:
    status = os.stat(path)
    return [str(path), status.st_size, status.st_mtime_ns]


class Files:
    """Image files at `path`. Subclasses say what lies there: `members`, `read_members` and `stamp`."""

    def __init__(self, path: Path, label: str | None = None, title: str | None = None):
        self.path = path.resolve()
        bare = re.sub(r"(\.tar)?\.\w+$", "", self.path.name) if self.path.is_file() else self.path.name
        self.label = label or re.sub(r"[^\w.-]+", "_", bare) or "images"
        self.title = title or str(path)

    @cached_property
    def members(self) -> dict:
        """Every file here: posix path → what `read_members` needs to read it."""
        raise NotImplementedError

    def read_members(self, members: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """(member, content) of each, in the cheapest order; None for what cannot be read."""
        raise NotImplementedError

    def stamp(self) -> list:
        """Changes when the images may have changed. JSON-able; cheap, for it is taken at every start."""
        return _stamp(self.path)

    def fingerprint(self) -> list:
        beside = _partition_beside(self.path)
        return [*self.stamp(), *(_stamp(beside) if beside else [])]

    @cached_property
    def _members_by_name(self) -> dict[str, str]:
        names = _image_names(self.members)
        if not names:
            raise UserError(f"{self.path}: no image in it; give a folder or archive of jpg, png, bmp, webp or tif")
        return names

    @property
    def names(self) -> list[str]:
        """The images' names."""
        return list(self._members_by_name)

    def sampled_names(self, count: int) -> list[str]:
        """`count` of the names, drawn fairly: by hash."""
        return sorted(self.names, key=hash_fraction)[:count]

    @property
    def is_celeba(self) -> bool:
        """Most names are CelebA's, so the images are taken for its 178x218 ones."""
        return sum(celeba_number(name) is not None for name in self.names) * 2 > len(self.names)

    @property
    def partition(self) -> dict[str, str]:
        """File stem → part, from the partition file in, beside or above the images; empty when there is none."""
        inside = next((member for member in self.members if PurePosixPath(member).name in PARTITION_FILES), None)
        if inside:
            content = next(self.read_members([inside]))[1] or b""
            return parse_partition(content.decode(errors="replace"), f"{self.path}/{inside}")
        beside = _partition_beside(self.path)
        return parse_partition(beside.read_text(errors="replace"), str(beside)) if beside else {}

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """(name, encoded image) of each of `names`, in any order; None for an image that cannot be read."""
        name_of = {self._members_by_name[name]: name for name in names}
        return ((name_of[member], content) for member, content in self.read_members(name_of))

    def checksums(self, names: Iterable[str]) -> Iterator[tuple[str, int, int]]:
        """(name, length, CRC-32) of the encoded image of each of `names`, in any order, those that can be read."""
        return ((name, len(content), zlib.crc32(content)) for name, content in self.read(names) if content)


class Folder(Files):
    """A folder, with all folders below it."""

    @cached_property
    def members(self) -> dict[str, str]:
        root, seen = os.path.join(self.path, ""), set(map(str, self.path.parents))
        files = []
        for folder, inner, names in os.walk(self.path, followlinks=True):
            if (real := os.path.realpath(folder)) in seen:  # by a link: it could lead round and round
                inner.clear()
                continue
            seen.add(real)
            inner.sort()
            files += [os.path.join(folder, name) for name in names]
        files.sort()
        return {file[len(root) :].replace(os.sep, "/"): file for file in files if os.path.exists(file)}

    def stamp(self):
        lines = "\n".join(f"{name} {_stamp(file)[1:]}" for name, file in self.members.items())
        return [str(self.path), hashlib.sha256(lines.encode(errors="replace")).hexdigest()]

    def read_members(self, members):
        for member in members:
            try:
                yield member, Path(self.members[member]).read_bytes()
            except OSError:
                yield member, None


class Zip(Files):
    """A zip archive; also one whose only content is further zips, which are read where they lie."""

    @cached_property
    def members(self) -> dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
        try:
            outer = zipfile.ZipFile(self.path)
            inner = [] if any(map(_is_wanted, outer.namelist())) else outer.namelist()
            nested = [zipfile.ZipFile(outer.open(name)) for name in inner if name.lower().endswith(".zip")]
        except UNREADABLE_ARCHIVE as error:
            raise _unreadable(self.path, error) from error
        return {info.filename: (archive, info) for archive in (outer, *nested) for info in archive.infolist()}

    def read_members(self, members):
        for member in sorted(members, key=lambda member: self.members[member][1].header_offset):
            archive, info = self.members[member]
            if info.flag_bits & 1:
                raise UserError(f"{self.path}: protected by a password; unpack it and give the folder")
            try:
                yield member, archive.read(info)
            except UNREADABLE_ARCHIVE:
                yield member, None

    def checksums(self, names):
        infos = ((name, self.members[self._members_by_name[name]][1]) for name in names)
        return ((name, info.file_size, info.CRC) for name, info in infos)


class Tar(Files):
    """A tar archive, compressed or not."""

    @cached_property
    def _archive(self):
        return tarfile.open(self.path)

    @cached_property
    def members(self) -> dict[str, tarfile.TarInfo]:
        try:
            return {info.name: info for info in self._archive if info.isfile()}
        except UNREADABLE_ARCHIVE as error:
            raise _unreadable(self.path, error) from error

    def read_members(self, members):
        for member in sorted(members, key=lambda member: self.members[member].offset):
            try:
                yield member, self._archive.extractfile(self.members[member]).read()
            except UNREADABLE_ARCHIVE:
                yield member, None


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path}: not a whole zip or tar archive ({error}); get it again, or unpack it and give the folder"
    )


def archive(path: Path, **naming) -> Files:
    """The archive at `path`. Raises `UserError` for a web page saved under its name, or anything else."""
    with path.open("rb") as file:
        head = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        raise UserError(
            f"{path}: is a web page, not an archive: the download failed; get it again from {CELEBA_HOME} in a browser"
        )
    if path.suffix.lower() in IMAGE_SUFFIXES:
        raise UserError(f"{path}: one image is not enough; give a folder or an archive of images")
    if zipfile.is_zipfile(path):
        return Zip(path, **naming)
    if tarfile.is_tarfile(path):
        return Tar(path, **naming)
    raise _unreadable(path, Exception("cut short or of another kind"))


def at(path: Path) -> Files:
    """The images at `path`: an archive, a folder of images, or a folder with an archive of them.

    Raises `UserError` when there is nothing there or no image in it.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; --data takes auto, sample, tfds, or an archive or folder")
    if path.is_file():
        return archive(path)
    official = path / f"{OFFICIAL}.zip"
    folder = Folder(path)
    if official.is_file() or not any(map(_is_wanted, folder.members)):
        packed = [official] if official.is_file() else [path / name for name in folder.members if _is_archive(name)]
        packed = [found for found in packed if found.name == official.name] or packed
        if len(packed) > 1:
            names = ", ".join(found.relative_to(path).as_posix() for found in packed)
            raise UserError(f"{path}: several archives ({names}); give one of them")
        if packed:
            return archive(packed[0])
    return folder


def _is_archive(member: str) -> bool:
    return member.lower().endswith(ARCHIVE_SUFFIXES) and not PurePosixPath(member).name.startswith(".")
