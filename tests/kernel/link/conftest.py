"""Programs around the kernel's link."""

from pathlib import Path

import pytest

from harness.link.messages import c_constants
from tests.kernel.build import build_program, write_header

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def link_headers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with gen/link.h."""
    folder = tmp_path_factory.mktemp("link")
    write_header(folder / "gen" / "link.h", dict(c_constants()))
    return folder


@pytest.fixture(scope="session")
def frame_driver(link_headers: Path) -> Path:
    """Frames in and out of stdin and stdout."""
    return build_program(link_headers, HERE / "frame_driver.c", ["link/frame.c", "lib/crc32.c"])


@pytest.fixture(scope="session")
def channel_driver(link_headers: Path) -> Path:
    """Two channels on a bad line."""
    sources = ["link/channel.c", "link/frame.c", "lib/crc32.c"]
    return build_program(link_headers, HERE / "channel_driver.c", sources)
