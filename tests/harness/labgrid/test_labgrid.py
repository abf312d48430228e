"""The labgrid driver and strategy, on labgrid's own QEMU and serial drivers."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

labgrid = pytest.importorskip(
    "labgrid",
    reason="labgrid is not installed here: toolchain/labgrid_venv.sh makes a place for it",
)

from labgrid.remote.config import ResourceConfig  # noqa: E402
from labgrid.util.yaml import dump, load  # noqa: E402

from harness.boot import boot, boot_twin  # noqa: E402
from harness.boot.qemu import find_qemu  # noqa: E402
from harness.cli.main import main  # noqa: E402
from harness.cli.options import BuildOptions  # noqa: E402
from harness.cli.pipeline import Built, build  # noqa: E402
from harness.compile import compile_twin  # noqa: E402
from harness.errors import HarnessError  # noqa: E402
from harness.image import Image  # noqa: E402
from harness.link.messages import SamplingParams  # noqa: E402
from harness.synth import synthesize  # noqa: E402
from tests.cable import cable  # noqa: E402
from tests.harness.labgrid.lab import lab, power_switch, served_by_tcp  # noqa: E402
from tests.models import ROOT  # noqa: E402
from toolchain import find_toolchain  # noqa: E402

GREEDY = SamplingParams(n_predict=4, temp=0.0, ignore_eog=True)
EXAMPLES = ROOT / "images" / "labgrid"

pytestmark = [
    pytest.mark.target,
    # labgrid leaves QEMU's pipes, and what it forks, to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    try:
        find_toolchain()
        find_qemu()
    except HarnessError as missing:
        pytest.skip(str(missing).splitlines()[0])
    folder = tmp_path_factory.mktemp("labgrid")
    model = synthesize("micro", quant="Q8_0", path=folder / "micro.gguf")
    return build(BuildOptions(model, "virt", 256, "f16", None, None, folder / "build"))


@pytest.fixture
def image(built: Built, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LG_BAREWORD_IMAGE", str(built.directory))
    return built.directory


def board_yaml(port: Path, folder: Path) -> Path:
    """The example of a board with an adapter that is there."""
    text = (EXAMPLES / "board.yaml").read_text()
    (named,) = [line.split()[-1] for line in text.splitlines() if " port: " in line]
    path = folder / "board.yaml"
    path.write_text(text.replace(named, str(port)))
    return path


@contextmanager
def environment_of(path: Path) -> Iterator[Any]:
    environment = labgrid.Environment(str(path))
    try:
        yield environment
    finally:
        environment.cleanup()


def test_the_qemu_example_gets_to_the_prompt_and_off(image: Path) -> None:
    with environment_of(EXAMPLES / "qemu.yaml") as environment:
        target = environment.get_target("main")
        strategy = target.get_driver("BarewordStrategy")
        driver = target.get_driver("BarewordDriver", activate=False)
        for _ in range(2):
            strategy.transition("ready")
            assert len(driver.generate("x", GREEDY).ids) == 4
            strategy.transition("off")
            with pytest.raises(HarnessError, match="not active"):
                _ = driver.session


def test_a_serial_driver_of_labgrid_s_carries_a_session(
    built: Built, image: Path, tmp_path: Path
) -> None:
    twin = compile_twin(built.directory, tmp_path)
    with (
        boot_twin(twin, built.directory / "model.blob") as board,
        cable(board.stream, tmp_path) as wire,
    ):
        path = board_yaml(wire.port, tmp_path)
        path.write_text(path.read_text().replace("chainload: true", ""))
        with environment_of(path) as environment:
            driver = environment.get_target("main").get_driver("BarewordDriver")
            assert len(driver.generate("x", GREEDY).ids) == 4
            assert driver.session.welcome.build_id == built.image.build_id


def test_a_driver_that_is_to_chainload_sends_the_kernel_first(
    built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The example as it is, on a machine that starts the loader of `build --loader`.

    The model is the machine's initrd: a serial line of QEMU's carries 10 kB/s.
    """
    monkeypatch.setattr("harness.plan.planner.APPEND_LIMIT", 0)
    options = BuildOptions(built.model_path, "virt", 256, "f16", None, None, tmp_path)
    alone = build(options)
    monkeypatch.setenv("LG_BAREWORD_IMAGE", str(alone.directory))
    assert main(["build", "--loader", "--no-card", "--board", "virt", "-o", str(tmp_path)]) == 0
    loader = Image(tmp_path / "virt" / "loader" / "loader.img", alone.image.blob, 0)
    with (
        boot(loader, alone.board, log=tmp_path / "qemu.log") as board,
        cable(board.stream, tmp_path) as wire,
        environment_of(board_yaml(wire.port, tmp_path)) as environment,
        caplog.at_level(logging.INFO),
    ):
        driver = environment.get_target("main").get_driver("BarewordDriver")
        assert driver.session.welcome.build_id == alone.image.build_id
        assert len(driver.generate("x", GREEDY).ids) == 4
    assert f"kernel goes to {alone.board.load_address:#x}" in caplog.text


def test_nothing_to_chainload_is_told(image: Path, tmp_path: Path) -> None:
    path = board_yaml(tmp_path / "ttyUSB0", tmp_path)
    path.write_text(path.read_text().replace("        image: directory\n", ""))
    silent: Any = SimpleNamespace(read=lambda _: b"", write=lambda _: None)
    with cable(silent, tmp_path), environment_of(path) as environment:
        with pytest.raises(HarnessError, match="chainload without an image") as error:
            environment.get_target("main").get_driver("BarewordDriver")
        assert "image: a key in `images:`" in error.value.hint


def exporter_yaml(serial_port: int, switch: str, folder: Path) -> Path:
    """The example's resources, with a line and a switch that are there."""
    resources = load((EXAMPLES / "exporter.yaml").read_text().replace("##", "#"))
    (place,) = resources
    assert resources[place]["USBSerialPort"].keys() == {"match", "speed"}
    # What the exporter makes of a USB adapter and ser2net, for the coordinator and its clients.
    del resources[place]["USBSerialPort"]
    resources[place]["NetworkSerialPort"] = {
        "host": "127.0.0.1",
        "port": serial_port,
        "protocol": "raw",
    }
    resources[place]["NetworkPowerPort"] |= {"model": "simplerest", "host": switch}
    path = folder / "exporter.yaml"
    path.write_text(dump(resources))
    return path


def test_a_place_of_a_lab_gets_to_the_prompt(
    built: Built, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remote example, by labgrid's coordinator and exporter; the board is the host program."""
    text = (EXAMPLES / "remote.yaml").read_text()
    remote = tmp_path / "remote.yaml"
    remote.write_text(text.replace("chainload: true", ""))
    place = load(text.replace("!template", ""))["targets"]["main"]["resources"]
    twin = compile_twin(built.directory, tmp_path)
    with (
        boot_twin(twin, built.directory / "model.blob") as board,
        served_by_tcp(board.stream) as port,
        power_switch() as (switch, asked),
        lab(
            tmp_path / "lab",
            exporter_yaml(port, switch, tmp_path),
            place["RemotePlace"]["name"],
        ) as made,
    ):
        monkeypatch.setenv("LG_COORDINATOR", made.address)
        with environment_of(remote) as environment:
            target = environment.get_target("main")
            strategy = target.get_driver("BarewordStrategy")
            strategy.transition("ready")
            assert asked == ["/1/0", "/1/1"]
            assert len(target.get_driver("BarewordDriver").generate("x", GREEDY).ids) == 4
            strategy.transition("off")
            assert asked[2:] == ["/1/0"]


def test_labgrid_s_exporter_reads_the_example() -> None:
    """Its file is a template: a comment sign too few would be a statement."""
    exported = ResourceConfig(str(EXAMPLES / "exporter.yaml")).data
    assert {name: set(resources) for name, resources in exported.items()} == {
        "pi4-1": {"USBSerialPort", "NetworkPowerPort"}
    }


def test_another_image_than_the_target_s_is_refused(
    built: Built, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LG_BAREWORD_IMAGE", str(tmp_path))
    (tmp_path / "kernel8.img").symlink_to(built.image.kernel8)
    with environment_of(EXAMPLES / "qemu.yaml") as environment:
        strategy = environment.get_target("main").get_driver("BarewordStrategy")
        with pytest.raises(HarnessError, match="is not an image directory"):
            strategy.transition("ready")
