"""Linux: what lsblk says of all disks -> Disk. Anything unexpected in it is an error."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import FlashError
from harness.flash.disk import Disk, Volume

COLUMNS = (
    *("NAME", "PATH", "SIZE", "TYPE", "RM", "RO", "TRAN", "MODEL", "SERIAL"),
    *("MAJ:MIN", "LOG-SEC", "MOUNTPOINTS", "FSTYPE", "UUID", "LABEL"),
)
COMMAND = ("lsblk", "--json", "--bytes", "--output", ",".join(COLUMNS))
TIMEOUT_S = 30  # a reader with a dying card answers slowly
HINT = "util-linux 2.37 or newer is needed; `lsblk --json` shows what it says"

# In /sys/block/NAME/device/type: a card in a slot, or a chip that is soldered in.
MMC_BUSES = {"SD": "sd", "MMC": "emmc"}

CardType = Callable[[str], str]


def read_disks() -> tuple[Disk, ...]:
    """All disks of this machine, the system's own among them."""
    try:
        done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise FlashError(f"cannot ask lsblk which disks there are: {exc}", hint=HINT) from exc
    if done.returncode:
        raise FlashError(f"lsblk failed: {done.stderr.strip()}", hint=HINT)
    return parse_lsblk(done.stdout, mmc_type)


def mmc_type(name: str) -> str:
    """SD or MMC, for an mmcblk disk; empty when the kernel does not say."""
    try:
        return Path("/sys/block", name, "device", "type").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def parse_lsblk(text: str, card_type: CardType) -> tuple[Disk, ...]:
    """lsblk's JSON as disks; FlashError for whatever it should not say."""
    try:
        tables = json.loads(text)["blockdevices"]
    except (ValueError, KeyError, TypeError) as exc:
        raise FlashError(f"lsblk's answer is not the JSON that it should be: {exc}") from exc
    if not isinstance(tables, list):
        raise FlashError(f"lsblk's answer has no list of disks but {tables!r}", hint=HINT)
    names = {str(table.get("name")) for table in tables if isinstance(table, dict)}
    return tuple(_disk(table, names, card_type) for table in tables)


def _disk(table: Any, names: set[str], card_type: CardType) -> Disk:
    fields = _Fields(table)
    name = fields.text("name")
    bus = fields.text_or_null("tran")
    if name.startswith("mmcblk"):
        has_boot_areas = f"{name}boot0" in names  # only eMMC has them
        bus = "emmc" if has_boot_areas else MMC_BUSES.get(card_type(name), "mmc")
    return Disk(
        name=name,
        path=fields.text("path"),
        kind=fields.text("type"),
        size_bytes=fields.number("size"),
        sector_bytes=fields.number("log-sec"),
        bus=bus,
        removable=fields.flag("rm"),
        read_only=fields.flag("ro"),
        model=fields.text_or_null("model"),
        serial=fields.text_or_null("serial"),
        number=fields.text("maj:min"),
        volume=_volume(fields),
    )


def _volume(fields: "_Fields") -> Volume:
    children = fields.table.get("children", [])
    if not isinstance(children, list):
        raise fields.wrong("children", "a list")
    return Volume(
        name=fields.text("name"),
        kind=fields.text("type"),
        filesystem=fields.text_or_null("fstype"),
        uuid=fields.text_or_null("uuid"),
        label=fields.text_or_null("label"),
        mounted=fields.texts("mountpoints"),
        children=tuple(_volume(_Fields(child)) for child in children),
    )


class _Fields:
    """One device of lsblk's answer; every key must be there and of its type."""

    def __init__(self, table: Any) -> None:
        if not isinstance(table, dict):
            raise FlashError(f"lsblk's answer has {table!r} where a device should be", hint=HINT)
        self.table: Mapping[str, Any] = table

    def text(self, key: str) -> str:
        value = self._get(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "a name")
        return value.strip()

    def text_or_null(self, key: str) -> str:
        value = self._get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key, "a string or null")
        return (value or "").strip()

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key)
        if not isinstance(value, list) or not all(v is None or isinstance(v, str) for v in value):
            raise self.wrong(key, "a list of strings")
        return tuple(v for v in value if v)

    def number(self, key: str) -> int:
        value = self._get(key)
        if isinstance(value, str) and value.isdecimal():  # util-linux before 2.33
            return int(value)
        if type(value) is not int or value < 0:
            raise self.wrong(key, "a number")
        return value

    def flag(self, key: str) -> bool:
        value = self._get(key)
        if value in ("0", "1"):  # util-linux before 2.33
            return bool(value == "1")
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def wrong(self, key: str, wanted: str) -> FlashError:
        value = self.table.get(key)
        name = self.table.get("name", "a device")
        return FlashError(
            f"lsblk says of {name} that {key} is {value!r}, wanted {wanted}", hint=HINT
        )

    def _get(self, key: str) -> Any:
        if key not in self.table:
            name = self.table.get("name", "a device")
            raise FlashError(f"lsblk says of {name} nothing about {key}", hint=HINT)
        return self.table[key]
