"""`serial:PORT,chainload`: the kernel goes over the line before the session begins."""

from harness.boot.chainload import BAUDS, Speed, chainload
from harness.boot.serial import SerialTarget
from harness.cli.pipeline import Built
from harness.cli.progress import bar, note
from harness.cli.serial_port import SerialPort
from harness.link.stream import ByteStream


def send_kernel(target: SerialTarget, built: Built, serial: SerialPort) -> ByteStream:
    """Send, verify, start; says what it does. The line of the kernel that runs then."""
    kernel = built.image.kernel8.read_bytes()
    if built.image.blob is not None:
        size = built.image.blob.stat().st_size
        note(f"model.blob ({size:,} bytes) is not sent: the board must have it, as its initrd")
    wanted = BAUDS if serial.chainload_baud is None else (serial.chainload_baud,)
    with bar("sending kernel", len(kernel), "B") as shown:

        def say(text: str) -> None:
            shown.clear()
            note(f"[{text}]")

        started = chainload(
            target.stream,
            kernel,
            speed=Speed(serial.baud, target.set_baud, wanted),
            on_progress=shown.set,
            say=say,
        )
    pushed = started.pushed
    rate = pushed.size_bytes / max(pushed.seconds, 1e-9) / 1e3
    note(
        f"[{pushed.size_bytes:,} bytes in {pushed.seconds:.1f} s ({rate:.0f} kB/s), CRC-32 "
        f"{pushed.crc:08x} verified on the board]"
    )
    return started.stream
