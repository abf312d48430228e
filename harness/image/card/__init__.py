"""kernel8.img, model.blob and boot firmware -> a card that a board starts from."""

from harness.image.card.contents import CardContents, CardFile, board_card, card_contents
from harness.image.card.firmware import package_directories
from harness.image.card.layout import CardLayout, plan_card
from harness.image.card.listing import CardList, read_card_list
from harness.image.card.write import work_bytes, write_card

__all__ = [
    "CardContents",
    "CardFile",
    "CardLayout",
    "CardList",
    "board_card",
    "card_contents",
    "package_directories",
    "plan_card",
    "read_card_list",
    "work_bytes",
    "write_card",
]
