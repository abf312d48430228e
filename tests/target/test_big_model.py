"""A model of a real size: 1.1 thousand million weights, 0.67 GB, more than an image can hold."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli.pipeline import load_built
from harness.gguf import read_gguf
from harness.link.console import TargetPanic
from harness.link.prompt import Prompt
from harness.link.stream import timeout_scale
from harness.synth import synthesize
from harness.verify import compare
from tests.target.machine import Workshop, greedy

pytestmark = [pytest.mark.target, pytest.mark.slow]

BUILD_RSS_BYTES = 400 << 20  # far below the 0.67 GB of the weights: they are streamed
BUILD_S = 120
# VmHWM: the peak of this program alone; a child's ru_maxrss begins with its parent's pages.
BUILD_AND_REPORT = """
import sys
from harness.cli.main import main
code = main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "tinyllama-1.1b-Q4_K_M.gguf"
    return synthesize("tinyllama-1.1b", quant="Q4_K_M", path=path, seed=1)


def test_tinyllama_s_shape_is_built_from_a_stream_and_says_verified_words(
    workshop: Workshop, model: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", BUILD_AND_REPORT, "build", "-m", str(model), "--ram", "2G"]
    started = time.monotonic()
    done = subprocess.run([*command, "-o", str(tmp_path)], stdout=subprocess.PIPE, check=True)
    assert time.monotonic() - started < BUILD_S * timeout_scale()
    assert int(done.stdout.split()[-2]) * 1024 < BUILD_RSS_BYTES

    built = load_built(tmp_path / "virt" / model.stem)
    assert built.image.blob is not None
    prompt, params = Prompt.of_text("Hello"), greedy(4, ignore_eog=True)
    with workshop.session(built, ram_bytes=2 << 30) as session:
        answer = session.generate(prompt, params, want_logits=True)
    verdict = compare(answer, read_gguf(model), prompt=prompt, params=params)
    assert verdict.ok, verdict.report()

    _cut_and_boot(workshop, built.image.blob, tmp_path)


def _cut_and_boot(workshop: Workshop, blob: Path, out: Path) -> None:
    """The same image with the blob cut short, and with none, says so."""
    built = load_built(out / "virt" / blob.parent.name)
    size = blob.stat().st_size
    os.truncate(blob, size - 4096)
    with (
        pytest.raises(TargetPanic) as panic,
        workshop.session(built, ram_bytes=2 << 30),
    ):
        pass
    assert str(size) in panic.value.report
    assert str(size - 4096) in panic.value.report
    no_blob = replace(built, image=replace(built.image, blob=None))
    with (
        pytest.raises(TargetPanic, match="blob"),
        workshop.session(no_blob, ram_bytes=2 << 30),
    ):
        pass
