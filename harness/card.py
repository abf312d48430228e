"""The [card] table of a board definition: what its SD card needs beside kernel and model."""

from dataclasses import dataclass
from pathlib import Path

from harness.errors import BoardError

RECIPES_DIR = Path(__file__).resolve().parent.parent / "images" / "recipes"
CARD_ALIGN = 8192  # sectors, 4 MiB: what SD cards erase at once


@dataclass(frozen=True)
class Card:
    """One board's.

    recipe: the folder of images/recipes whose files go onto the card under their own names.
    kernel: the name by which the loader finds kernel8.img.
    firmware: the maker's files without which the board does not start; never part of this project.
    device_trees: by the names that the firmware looks for; mainline_device_trees: by Linux's names,
    for which the firmware must be told. Empty where the loader brings its own.
    first_lba: where partition 1 begins.
    """

    recipe: str
    kernel: str
    firmware: tuple[str, ...]
    device_trees: tuple[str, ...]
    mainline_device_trees: tuple[str, ...]
    first_lba: int

    @property
    def all_device_trees(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """By the firmware's names, and by Linux's."""
        return self.device_trees, self.mainline_device_trees


def check_card(card: Card, path: Path) -> None:
    """BoardError for a table that no card can be made from; path: the definition it is in."""
    recipes = sorted(folder.name for folder in RECIPES_DIR.glob("*/"))
    if card.recipe not in recipes:
        raise BoardError(
            f"{path}: card.recipe is {card.recipe!r}, wanted {' or '.join(recipes)}",
            hint="a recipe is a folder of images/recipes",
        )
    for name in (card.kernel, *card.firmware, *card.device_trees, *card.mainline_device_trees):
        if not name or Path(name).name != name:
            raise BoardError(
                f"{path}: [card] names the file {name!r}, wanted a name without a folder",
                hint="these files lie in the card's root",
            )
    if card.first_lba == 0 or card.first_lba % CARD_ALIGN:
        raise BoardError(
            f"{path}: card.first_lba is {card.first_lba}, wanted a multiple of {CARD_ALIGN}",
            hint="a card erases 4 MiB at once; partitions that begin there wear it least",
        )
