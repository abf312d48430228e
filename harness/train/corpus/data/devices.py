"""Devices, rooms and boards."""

from harness.train.corpus.data import listed

ROOMS = (
    *listed("kitchen bedroom bathroom garage hall office attic cellar nursery study workshop"),
    *("library", "garden", "living_room", "dining_room", "guest_room"),
)

# What can be done with a device; each name is a section of commands.txt.
DEVICES = {
    "lamp": ("on", "off", "dim"),
    "light": ("on", "off", "dim"),
    "fan": ("on", "off"),
    "radio": ("on", "off", "volume"),
    "television": ("on", "off", "volume"),
    "kettle": ("on", "off"),
    "printer": ("on", "off"),
    "camera": ("on", "off"),
    "alarm": ("on", "off"),
    "pump": ("on", "off"),
    "heater": ("on", "off", "set"),
    "oven": ("on", "off", "set"),
    "blinds": ("open", "close"),
    "curtains": ("open", "close"),
    "window": ("open", "close"),
    "gate": ("open", "close"),
    "door": ("lock", "unlock", "open", "close"),
    "music": ("play", "stop", "volume"),
}
PLURAL = ("blinds", "curtains")
VALUES = {
    "on": "on",
    "off": "off",
    "open": "open",
    "close": "closed",
    "lock": "locked",
    "unlock": "unlocked",
    "play": "play",
    "stop": "stop",
}
REVERSE = {"on": "off", "off": "on", "open": "close", "close": "open"}
LEVELS = {
    "dim": tuple(range(5, 100, 5)),
    "set": tuple(range(15, 31)),
    "volume": tuple(range(0, 101, 5)),
}
OVEN_LEVELS = tuple(range(100, 251, 10))
NOT_DEVICES = listed(
    "elephant banana cloud mountain river shoe sandwich cat potato dragon pencil moon tree spoon "
    "carrot pillow sock island horse bicycle violin apple castle frog"
)
NOT_ROOMS = listed(
    "moon sea forest desert volcano cave river sky jungle castle pocket basket bottle tent "
    "submarine tower valley tunnel"
)

MAIN_BOARDS = (
    *("QEMU virt", "Raspberry Pi 3", "Raspberry Pi 4", "Raspberry Pi 5", "Raspberry Pi Zero 2 W"),
    *("QEMU virt", "Raspberry Pi 3B", "Raspberry Pi 4B", "RK3588", "Orange Pi 5"),
)
MAKERS = listed(
    "Rock Orange_Pi Banana_Pi Radxa Odroid Pine Cedar Falcon Onyx Tinker Lemon Khadas Nano_Pi "
    "Delta Jetson Maple"
)
MODELS = listed("3 4 5 A1 A3 B2 C4 M5 N2 S1 X2 Zero Mini Plus Pro 3A 5B 64 7 Zero_2 One")
CPUS = tuple(f"Cortex-A{n}" for n in (35, 53, 55, 57, 72, 73, 75, 76, 78))
CPU_FAMILIES = ("Cortex-A", "Cortex-A", "Cortex-X", "Neoverse-N", "Neoverse-V")
CORES = (1, 1, 2, 3, 4, 4, 6, 8, 12, 16)
MEMORY = tuple(
    f"{n} {unit}"
    for unit, sizes in (("MiB", (64, 128, 256, 384, 512, 768)), ("GiB", (1, 2, 3, 4, 6, 8, 16)))
    for n in sizes
)
NAMES = ("Bareword",) * 12 + listed("Pebble Ember Nova Juno Atlas Echo Bramble Quartz")
