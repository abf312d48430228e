"""The labgrid driver and strategy, on labgrid's own QEMU and serial drivers."""

from pathlib import Path

import pytest

labgrid = pytest.importorskip(
    "labgrid",
    reason="labgrid is not installed here: toolchain/labgrid_venv.sh makes a place for it",
)

from harness.boot import boot_twin  # noqa: E402
from harness.boot.qemu import find_qemu  # noqa: E402
from harness.cli.options import BuildOptions  # noqa: E402
from harness.cli.pipeline import Built, build  # noqa: E402
from harness.compile import compile_twin  # noqa: E402
from harness.errors import HarnessError  # noqa: E402
from harness.link.messages import SamplingParams  # noqa: E402
from harness.synth import synthesize  # noqa: E402
from tests.cable import cable  # noqa: E402
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


def test_the_qemu_example_gets_to_the_prompt_and_off(image: Path) -> None:
    environment = labgrid.Environment(str(EXAMPLES / "qemu.yaml"))
    target = environment.get_target("main")
    strategy = target.get_driver("BarewordStrategy")
    driver = target.get_driver("BarewordDriver", activate=False)
    try:
        for _ in range(2):
            strategy.transition("ready")
            assert len(driver.generate("x", GREEDY).ids) == 4
            strategy.transition("off")
            with pytest.raises(HarnessError, match="not active"):
                _ = driver.session
    finally:
        environment.cleanup()


def test_a_serial_driver_of_labgrid_s_carries_a_session(
    built: Built, image: Path, tmp_path: Path
) -> None:
    twin = compile_twin(built.directory, tmp_path)
    with (
        boot_twin(twin, built.directory / "model.blob") as board,
        cable(board.stream, tmp_path) as wire,
    ):
        text = (EXAMPLES / "board.yaml").read_text()
        (port,) = [line.split()[-1] for line in text.splitlines() if " port: " in line]
        yaml = tmp_path / "board.yaml"
        yaml.write_text(text.replace(port, str(wire.port)).replace("chainload: true", ""))
        environment = labgrid.Environment(str(yaml))
        try:
            driver = environment.get_target("main").get_driver("BarewordDriver")
            assert len(driver.generate("x", GREEDY).ids) == 4
            assert driver.session.welcome.build_id == built.image.build_id
        finally:
            environment.cleanup()


def test_another_image_than_the_target_s_is_refused(
    built: Built, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LG_BAREWORD_IMAGE", str(tmp_path))
    (tmp_path / "kernel8.img").symlink_to(built.image.kernel8)
    environment = labgrid.Environment(str(EXAMPLES / "qemu.yaml"))
    try:
        strategy = environment.get_target("main").get_driver("BarewordStrategy")
        with pytest.raises(HarnessError, match="is not an image directory"):
            strategy.transition("ready")
    finally:
        environment.cleanup()
