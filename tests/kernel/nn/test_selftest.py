"""The self-test of the NEON twins: the program itself, sanitized, and the twins in user emulation.

That it passes on a booted kernel is tested with the target.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.compile.sources import KERNEL_DIR
from tests.kernel.build import build_program, run_program
from tests.kernel.nn.library import OPERATIONS
from toolchain.flags import TIERS

HERE = Path(__file__).parent
SOURCES = (*OPERATIONS, "lib/format.c")
TWINNED = (
    "vec_dot_f32", "vec_add", "vec_mul", "vec_scale", "vec_silu", "vec_max", "vec_exp", "vec_sum",
    "vec_next_above", "rmsnorm", "rmsnorm_q8_k", "softmax", "rope", "rope_halves", "row_get",
    "vec_gelu", "vec_softcap", "attention_f16", "attention_f32", "attention_q8_0",
    "attention_window_f16", "attention_window_f32", "attention_window_q8_0",
    "attention_around_f32", "layernorm", "f32_to_f16_row", "quantize_kv_q8_0",
    "quantize_q8_0", "quantize_q8_k", "matvec_f32", "matvec_f16", "matvec_bf16",
    "gemm_f32", "gemm_f16", "gemm_bf16",
    *(
        f"{product}_{kind}"
        for product in ("matvec", "gemm")
        for kind in (
            "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl",
            "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs",
        )
    ),
)  # fmt: skip


@pytest.mark.slow
def test_portable_operations_are_clean_under_sanitizers(tmp_path: Path) -> None:
    defines = [f"{name}_neon={name}" for name in TWINNED]  # compared with themselves
    defines += [
        f"{name}_dotprod={name}"
        for name in TWINNED
        if name.startswith(("matvec_q", "gemm_q", "matvec_i", "gemm_i"))
    ]
    defines += [f"{name}_i8mm={name}" for name in TWINNED if name.startswith("gemm_q")]
    sources = [*SOURCES, str(HERE / "selftest.c")]
    program = build_program(tmp_path, HERE / "selftest_user.c", sources, defines)
    assert b"SELFTEST all ok" in run_program(program)


@pytest.mark.slow
@pytest.mark.parametrize("cc", ["aarch64-linux-gnu-gcc"])
def test_neon_twins_give_the_same_bits(tmp_path: Path, cc: str) -> None:
    if not shutil.which(cc) or not shutil.which("qemu-aarch64"):
        pytest.skip(f"needs {cc} and qemu-aarch64; the booted self-test needs neither")
    twins = [str(path) for path in sorted((KERNEL_DIR / "nn").glob("*_neon.[cS]"))]
    sources = [str(KERNEL_DIR / source) for source in SOURCES]
    driver = [str(HERE / "selftest.c"), str(HERE / "selftest_user.c")]
    program = tmp_path / "selftest"
    flags = ["-std=c17", "-O2", "-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing"]
    flags += ["-static", f"-I{KERNEL_DIR}"]
    objects = []
    for number, file in enumerate([*driver, *sources, *twins]):
        objects.append(str(tmp_path / f"{number}.o"))
        command = [cc, *flags, f"-march={march_of(file)}", "-c", file, "-o", objects[-1]]
        subprocess.run(command, check=True)
    subprocess.run([cc, "-static", *objects, "-o", str(program)], check=True)
    done = subprocess.run(["qemu-aarch64", str(program)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "SELFTEST all ok" in done.stdout


def march_of(file: str) -> str:
    """The instructions that a twin may use."""
    for ending, ((march, _),) in TIERS.items():
        if file.endswith(ending):
            return march.removeprefix("-march=")
    return "armv8-a"
