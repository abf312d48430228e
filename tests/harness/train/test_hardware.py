"""What is chosen on machines that are not this one."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.cores import cores
from harness.train.errors import TrainError
from harness.train.hardware import Hardware, choose, detect
from harness.train.memory import MIB, MemoryPlan, check_fits, n_params, plan_memory
from tests.harness.train.standin import CONFIG

LAPTOP = Hardware(4, ("avx2",), 8 << 30, 6 << 30, compiler=True)
AUTO = replace(CONFIG, machine=type(CONFIG.machine)())


@pytest.mark.parametrize(
    ("simd", "dtype"),
    [
        (("avx512f", "avx2"), "f32"),
        (("amx_bf16", "avx512f"), "bf16"),
        (("asimd", "bf16"), "bf16"),
        ((), "f32"),
    ],
)
def test_bf16_is_used_where_the_machine_multiplies_it(simd: tuple[str, ...], dtype: str) -> None:
    assert choose(replace(LAPTOP, simd=simd), AUTO).dtype == dtype


def test_the_config_has_the_last_word() -> None:
    choice = choose(replace(LAPTOP, simd=("amx_bf16",)), CONFIG)
    assert (choice.threads, choice.compile) == (1, False)
    wish = replace(CONFIG, machine=replace(CONFIG.machine, dtype="f32", micro_batch=2))
    assert choose(replace(LAPTOP, simd=("amx_bf16",)), wish).micro_batch == 2


def test_all_cores_train_and_a_compiler_is_used_where_there_is_one() -> None:
    assert [choose(replace(LAPTOP, cores=n), AUTO).threads for n in (1, 4, 6)] == [1, 4, 6]
    assert detect().cores == cores()
    assert choose(LAPTOP, AUTO).compile
    assert not choose(replace(LAPTOP, compiler=False), AUTO).compile
    without = replace(AUTO, machine=replace(AUTO.machine, compile="off"))
    assert not choose(LAPTOP, without).compile
    wanted = replace(AUTO, machine=replace(AUTO.machine, compile="on"))
    assert choose(replace(LAPTOP, compiler=False), wanted).compile


def test_little_memory_makes_the_pieces_smaller_and_they_divide_the_batch() -> None:
    config = replace(AUTO, recipe=replace(AUTO.recipe, batch=12))
    sizes = [choose(replace(LAPTOP, memory_bytes=n << 20), config).micro_batch for n in (1, 3, 64)]
    assert sizes[0] == 1
    assert sizes == sorted(sizes)
    assert all(12 % size == 0 for size in sizes)
    assert sizes[-1] > 1


def test_an_accelerator_is_used_where_there_is_one() -> None:
    """Its memory decides then, and the whole batch is one piece: a cache is no limit there."""
    assert choose(LAPTOP, AUTO).device == "cpu"
    fast = replace(LAPTOP, cuda="an accelerator", cuda_bytes=8 << 30)
    choice = choose(fast, AUTO)
    assert (choice.device, choice.dtype) == ("cuda", "bf16")
    assert choice.micro_batch == AUTO.recipe.batch
    assert choose(replace(fast, cuda_bytes=1 << 20), AUTO).micro_batch == 1


def test_detect_reads_proc(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nflags\t\t: fpu avx2 amx_bf16\n")
    (tmp_path / "meminfo").write_text("MemTotal:  2048 kB\nMemAvailable:  1024 kB\n")
    found = detect(tmp_path, tmp_path)
    assert found.simd == ("amx_bf16", "avx2")
    assert (found.memory_bytes, found.available_bytes) == (2 << 20, 1 << 20)
    assert found.cores >= 1
    nothing = detect(tmp_path / "nowhere", tmp_path)
    assert (nothing.simd, nothing.memory_bytes) == ((), 0)


def group(folder: Path, version: int, limit: str, used: int, cache: int) -> None:
    folder.mkdir(parents=True)
    names = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        2: ("memory.max", "memory.current"),
    }
    stat = f"anon 5\n{'total_' if version == 1 else ''}inactive_file {cache}\nslab 7\n"
    for name, text in zip((*names[version], "memory.stat"), (limit, str(used), stat), strict=True):
        (folder / name).write_text(text + "\n")


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_s_memory_is_all_there_is(tmp_path: Path, version: int) -> None:
    """Whichever group around the process leaves least; what the host has is not ours."""
    proc, mount = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal:  9000 kB\nMemAvailable:  8000 kB\n")
    line = {1: "4:cpu:/x\n3:hugetlb,memory:/a/b\n", 2: "0::/a/b\n"}[version]
    (proc / "self" / "cgroup").write_text(line)
    root = mount / "memory" if version == 1 else mount
    assert detect(proc, mount).memory_bytes == 9000 << 10
    unlimited = {1: "9223372036854771712", 2: "max"}[version]
    group(root / "a" / "b", version, unlimited, 0, 0)
    assert detect(proc, mount).memory_bytes == 9000 << 10
    assert detect(proc, mount).available_bytes == 8000 << 10
    (root / "a" / "b" / ("memory.max" if version == 2 else "memory.limit_in_bytes")).write_text(
        str(5 << 20)
    )
    assert detect(proc, mount).memory_bytes == 5 << 20
    (root / "a").rename(root / "other")
    group(root / "a", version, str(3 << 20), used=2 << 20, cache=1 << 19)
    (root / "other" / "b").rename(root / "a" / "b")
    found = detect(proc, mount)
    assert found.memory_bytes == 3 << 20
    assert found.available_bytes == (3 << 20) - (2 << 20) + (1 << 19)


def test_the_plan_lists_four_copies_of_the_weights_in_f32() -> None:
    plan = plan_memory(CONFIG, dtype="f32", micro_batch=2, base_bytes=0)
    copies = sum(size for name, size in plan.parts.items() if not name.startswith("activations"))
    assert copies == 16 * n_params(CONFIG.model)
    double = plan_memory(CONFIG, dtype="f32", micro_batch=4, base_bytes=0)
    assert double.total_bytes > plan.total_bytes
    assert "sum" in plan.table()


def test_a_plan_that_does_not_fit_says_both_numbers() -> None:
    with pytest.raises(TrainError, match=r"needs 125 MiB .* 100 MiB are available"):
        check_fits(MemoryPlan({"all": 100 * MIB}), 100 * MIB)
    check_fits(MemoryPlan({"all": 80 * MIB}), 100 * MIB)
