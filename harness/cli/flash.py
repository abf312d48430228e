"""`flash`: the files of an image, or the image as a whole, onto a card."""

import argparse
import importlib
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.board import load_board
from harness.cli.card import (
    CardOptions,
    Made,
    add_firmware,
    card_options,
    contents_of,
    made_card,
    make_card,
)
from harness.cli.loader import load_loader
from harness.cli.options import DEFAULT_BOARD, add_build, add_model, build_options
from harness.cli.pipeline import built_from
from harness.cli.progress import Bar, bar, note
from harness.cli.report import print_report
from harness.errors import FlashError
from harness.flash import release
from harness.flash.device import open_disk
from harness.flash.disk import Disk
from harness.flash.files import copy_files, files_in, plan_files, require_folder
from harness.flash.safety import (
    SIZE_MAX,
    SIZE_MIN,
    choose,
    judge,
    name_to_type,
    refuse_to_guess,
)
from harness.flash.write import CardImage, write_image
from harness.image.card import CardList, board_card

INVENTORIES = {"linux": "harness.flash.lsblk", "darwin": "harness.flash.diskutil"}
UNITS = {"M": 10**6, "G": 10**9, "T": 10**12}  # as cards are sold


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to write, and where to."""
    add_model(parser, image_dir=True)
    where = parser.add_argument_group("where to, one of").add_mutually_exclusive_group()
    where.add_argument(
        "--files-only", type=Path, metavar="DIR",
        help="copy the files onto a card that is mounted there: the safest and fastest way",
    )  # fmt: skip
    where.add_argument(
        "--device", metavar="/dev/sdX", help="overwrite this whole disk with the card image"
    )
    where.add_argument("--list", action="store_true", help="all disks, and what may be overwritten")
    group = parser.add_argument_group("how")
    group.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    group.add_argument(
        "--yes", action="store_true", help="ask nothing; needs --device and its --serial"
    )
    group.add_argument("--serial", metavar="S", help="the disk must have this serial number")
    group.add_argument(
        "--max-size", type=_size, default=SIZE_MAX, metavar="SIZE",
        help=f"larger disks are no cards (default: {SIZE_MAX // 10**9}G)",
    )  # fmt: skip
    group.add_argument(
        "--unmount", action="store_true",
        help="unmount the card's partitions first, once it is confirmed; else a mounted one is "
        "refused",
    )  # fmt: skip
    group.add_argument(
        "--no-eject", action="store_true", help="leave the card there when it is written"
    )
    group.add_argument("--no-verify", action="store_true", help="do not read back what was written")
    add_build(parser)
    add_firmware(parser)


def run(args: argparse.Namespace) -> int:
    """Exit 0 written and verified, 1 it reads back otherwise, 2 refused, 3 the card failed."""
    if args.list:
        return _list(args.max_size)
    if args.yes and not (args.device and args.serial):
        raise FlashError(
            "--yes asks nothing, so it wants --device and --serial, to be sure of the disk",
            hint="`flash --list` shows serial numbers; a disk without one is confirmed by typing",
        )
    if args.files_only is None and args.device is None:
        raise refuse_to_guess(_disks())
    if args.files_only is not None:
        require_folder(args.files_only)
    disk = None
    if args.device is not None:
        disk = _judged(args, SIZE_MIN, unmount=args.unmount)  # before anything is built
    options = card_options(args)
    wanted = build_options(args)
    if wanted.model is None or not wanted.model.is_dir():
        board_card(load_board(wanted.board or DEFAULT_BOARD))
    loader = load_loader(wanted.model) if wanted.model is not None else None
    built = loader or built_from(wanted)
    if args.files_only is not None:
        return _copy(args, built, options)
    assert disk is not None
    return _write(args, built, options)


def _list(size_max: int) -> int:
    disks = _disks()
    shown = [disk for disk in disks if disk.kind != "loop"]  # some systems have dozens
    for disk in shown:
        verdict = judge(disk, disks, size_max=size_max)
        print(f"{disk.path:<16}{'candidate' if verdict.ok else 'refused':<11}{disk.title}")
        if disk.serial and verdict.ok:
            print(f"{'':<27}serial number {disk.serial}")
        if not verdict.ok:
            print(f"{'':<27}{verdict.refusal}")
    if not shown:
        print("no disks")
    return 0


def _copy(args: argparse.Namespace, built: Made, options: CardOptions) -> int:
    directory: Path = args.files_only
    contents = contents_of(built, options, files_in(directory), own_partition=False)
    for line in contents.notes:
        note(line)
    if not os.path.ismount(directory):
        note(f"{directory} is no mounted card but a folder, taken as it is")
    steps = plan_files(contents.files, directory)
    if not args.dry_run:
        total = sum(step.file.size_bytes for step in steps if step.action != "same")
        with bar("copying", total, "B") as shown:
            copy_files(steps, directory, verify=not args.no_verify, advance=shown.advance)
    lines = [f"  {step.sentence()}" for step in steps]
    head = "would copy to" if args.dry_run else "copied to"
    lines.insert(0, f"{head} {directory}, for {built.board.description}:")
    if not args.dry_run:
        lines.append("unmount it before you pull it out")
    print_report("\n".join(lines))
    return 0


def _write(args: argparse.Namespace, built: Made, options: CardOptions) -> int:
    as_it_is = args.model is not None and args.model.is_dir() and not options.named
    card = (made_card(built) if as_it_is else None) or make_card(built, options)
    image = CardImage(built.directory / card.image, card.size_bytes, card.sha256, card.extents)
    disk = _judged(args, image.end_bytes, unmount=args.unmount)
    _describe(disk, card, image)
    if args.dry_run:
        print_report(f"nothing was written: {disk.path} is a candidate")
        return 0
    if not args.yes:
        _confirm(disk)
    release.unmount(disk)
    disk = replace(disk, volume=disk.volume.unmounted())
    verify = not args.no_verify
    with open_disk(disk, _command()) as target:
        # A person may have taken long to answer. What is open stays this disk, whatever gets its
        # name later; macOS has no other means to compare the two.
        if _judged(args, image.end_bytes) != disk:
            raise FlashError(
                f"{disk.path} is another disk than before the question", hint="try again"
            )
        shown = _Phases(image.write_bytes)
        try:
            write_image(image, target, verify=verify, progress=shown)
        except KeyboardInterrupt:
            note(f"{disk.path} is not wholly written, has no boot record and does not boot")
            raise
        finally:
            shown.clear()
    done = "written and verified" if verify else "written, not verified"
    print_report(f"{disk.path}: {image.write_bytes:,} bytes {done}; {_let_go(args, disk)}")
    return 0


def _let_go(args: argparse.Namespace, disk: Disk) -> str:
    """Eject the card, if that is wished and can be done, and say whether it may be pulled out."""
    failed = "" if args.no_eject else release.eject(disk)
    if failed:
        note(f"{disk.path} was not ejected: {failed}")
    elif not args.no_eject:
        return "ejected: it can be pulled out"
    return "a desktop may mount it now: eject it before you pull it out"


class _Phases:
    """A bar for each thing that is done with the same bytes, one after the other."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._bar: Bar | None = None

    def __call__(self, phase: str, size_bytes: int) -> None:
        if self._bar is None or self._bar.label != phase:
            self.clear()
            self._bar = Bar(phase, self._total, "B")
        self._bar.advance(size_bytes)

    def clear(self) -> None:
        """Take it off the screen."""
        if self._bar is not None:
            self._bar.clear()


def _describe(disk: Disk, card: CardList, image: CardImage) -> None:
    note(f"image: {image.path} for {card.board}, {image.write_bytes:,} bytes to write")
    note(f"disk:  {disk.path}, {disk.title}")
    if disk.serial:
        note(f"       serial number {disk.serial}")
    for volume in release.mounted(disk):
        note(f"{volume.name} will be unmounted from {' and '.join(volume.mounted)}")
    note(f"everything on {disk.name} will be lost")


def _confirm(disk: Disk) -> None:
    """FlashError unless a person types the disk's name, or what is on its label."""
    wanted = name_to_type(disk)
    if not sys.stdin.isatty():
        raise FlashError(
            f"nobody is there to confirm that {disk.path} may be erased",
            hint=f"--yes --serial {disk.serial} does it without a question"
            if disk.serial
            else "run it in a terminal: without a serial number, --yes cannot know the disk",
        )
    if disk.is_usb_disk:
        note(f"{disk.name} is a USB disk, no card reader: it may hold backups")
    print(f"type {wanted} to erase it: ", end="", file=sys.stderr, flush=True)
    typed = sys.stdin.readline().strip()
    if typed != wanted:
        raise FlashError(f"typed was {typed!r}, wanted {wanted!r}; nothing was written")


def _judged(args: argparse.Namespace, size_min: int, *, unmount: bool = False) -> Disk:
    """The disk that the user named, or FlashError with the reason for which it is refused."""
    disks = _disks()
    device = os.path.realpath(args.device) if "/" in args.device else args.device
    disk = choose(disks, device, args.serial)
    verdict = judge(disk, disks, size_min=size_min, size_max=args.max_size, unmount=unmount)
    if not verdict.ok:
        raise FlashError(f"refused: {verdict.refusal}", hint=verdict.hint)
    return disk


def _disks() -> Sequence[Disk]:
    module = INVENTORIES.get(sys.platform)
    if module is None:
        raise FlashError(
            f"disks of {sys.platform} are not known here, only those of Linux and macOS",
            hint="Raspberry Pi Imager writes card.img too (`Use custom`); or --files-only",
        )
    disks: Sequence[Disk] = importlib.import_module(module).read_disks()
    return disks


def _command() -> list[str]:
    return [sys.executable, "-m", "harness", *sys.argv[1:]]


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([MGT])B?", text, re.I)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text} is no size such as {SIZE_MAX // 10**9}G")
    return int(match[1]) * UNITS[match[2].upper()]
