"""Cards: the arguments that decide what is on one, and card.img with card.json beside it."""

import argparse
import hashlib
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

import harness.image.card
from harness.cli.loader import BuiltLoader
from harness.cli.lock import locked
from harness.cli.manifest import key_of, require_manifest, sources_sha256, write_json
from harness.cli.pipeline import Built
from harness.cli.progress import bar, note
from harness.errors import ImageError
from harness.image.card import (
    CardContents,
    CardFile,
    CardList,
    board_card,
    card_contents,
    package_directories,
    plan_card,
    read_card_list,
    work_bytes,
    write_card,
)

CARD_IMAGE, CARD_LIST = "card.img", "card.json"
Made = Built | BuiltLoader  # what a card is made for
# 1 January 2026 in seconds: an image does not depend on the day on which it was made.
DEFAULT_EPOCH = 1_767_225_600


@dataclass(frozen=True)
class CardOptions:
    """firmware: directories to take boot firmware from, in this order; None: do without.

    named: the user chose them, so that what is on a card already is replaced by them.
    """

    firmware: tuple[Path, ...] | None
    named: bool


def add_firmware(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Where the board maker's boot firmware comes from."""
    group = parser.add_argument_group("card")
    which = group.add_mutually_exclusive_group()
    which.add_argument(
        "--firmware", type=Path, action="append", metavar="DIR",
        help="boot firmware and device trees of the board's maker; may be given again "
        "(default: Debian's raspi-firmware and kernel packages)",
    )  # fmt: skip
    which.add_argument(
        "--no-firmware", action="store_true",
        help="none: for a card that has its firmware already",
    )  # fmt: skip
    return group


def card_options(args: argparse.Namespace) -> CardOptions:
    """The card part of the arguments; ImageError for a directory that is none."""
    if args.no_firmware:
        return CardOptions(None, named=True)
    if not args.firmware:
        return CardOptions(package_directories(), named=False)
    for directory in args.firmware:
        if not directory.is_dir():
            raise ImageError(
                f"--firmware {directory} is not a directory",
                hint="the folder `boot` of github.com/raspberrypi/firmware is one",
            )
    return CardOptions(tuple(args.firmware), named=True)


def contents_of(
    built: Made, options: CardOptions, present: Collection[str] = (), *, own_partition: bool = True
) -> CardContents:
    """What goes onto a card for this image; present: names of files that it has already."""
    return card_contents(
        built.board,
        built.image,
        firmware=options.firmware,
        present=() if options.named else present,
        own_partition=own_partition,
        is_loader=isinstance(built, BuiltLoader),
    )


def make_card(built: Made, options: CardOptions) -> CardList:
    """card.img and card.json in the image's directory, made anew only when something changed."""
    contents = contents_of(built, options)
    layout = plan_card(contents, board_card(built.board), built.image.build_id)
    epoch = _epoch()
    if isinstance(built, BuiltLoader):
        inputs = built.inputs
    else:
        inputs = require_manifest(built.directory)["inputs"]
    key = key_of(
        inputs,
        [(file.name, file.origin, _content_key(file)) for file in contents.files],
        asdict(layout),
        epoch,
        sources_sha256(Path(harness.image.card.__path__[0])),
    )
    image, listing = built.directory / CARD_IMAGE, built.directory / CARD_LIST
    with locked(built.directory):
        known = _known_card(built.directory)
        if known is None or known.key != key:
            listing.unlink(missing_ok=True)  # until both are new
            with bar("writing card", work_bytes(contents, layout), "B") as shown:
                known = write_card(
                    contents,
                    layout,
                    image,
                    board=built.board.name,
                    build_id=built.image.build_id,
                    epoch=epoch,
                    key=key,
                    advance=shown.advance,
                )
            write_json(listing, known.as_dict())
    for line in known.notes:
        note(line)
    return known


def made_card(built: Made) -> CardList | None:
    """The card of an image directory as it is there, if it is of this very build."""
    known = _known_card(built.directory)
    is_ours = known is not None and known.build_id == f"{built.image.build_id:016x}"
    return known if is_ours else None


def _known_card(directory: Path) -> CardList | None:
    try:
        known = read_card_list(directory / CARD_LIST)
        is_whole = (directory / known.image).stat().st_size == known.size_bytes
    except (ImageError, OSError):
        return None
    return known if is_whole else None


def _content_key(file: CardFile) -> str:
    """Of what is small and not named by the manifest's keys: firmware and recipes."""
    if file.origin == "build":
        return ""
    data = file.source if isinstance(file.source, bytes) else file.source.read_bytes()
    return hashlib.sha256(data).hexdigest()


def _epoch() -> int:
    text = os.environ.get("SOURCE_DATE_EPOCH", str(DEFAULT_EPOCH))
    if not text.isdecimal():
        raise ImageError(
            f"SOURCE_DATE_EPOCH is {text!r}, wanted seconds since 1970",
            hint="reproducible-builds.org/specs/source-date-epoch",
        )
    return int(text)
