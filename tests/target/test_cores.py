"""Several cores: the same bits, a failure of any of them, and machines that have fewer."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.boot import boot, boot_twin
from harness.cli.pipeline import Built
from harness.compile import compile_twin, symbolise_report
from harness.image import Image
from harness.link.console import TargetPanic
from harness.link.generation import Generation
from harness.link.session import Session
from tests.kernel.device_tree import Node, Value, write_device_tree
from tests.target.machine import Workshop, cpu_s, greedy, qemu_pids
from tests.target.test_failures import _symbol_offset, with_bytes

pytestmark = pytest.mark.target

N_TOKENS = 12
PROMPT = "Once upon a time there was a girl who"  # more tokens than cores, and no multiple of them
UDF = bytes(4)  # permanently undefined


@pytest.fixture(scope="module")
def on_one_core(workshop: Workshop, model: Path) -> Generation:
    """The model's answer from portable C in one thread."""
    return answer_of(workshop, workshop.image(model), "twin", 1)


def answer_of(workshop: Workshop, built: Built, cpu: str, n_cores: int) -> Generation:
    params = greedy(N_TOKENS, ignore_eog=True)
    answer = workshop.answer(built, PROMPT, params, cpu=cpu, n_cores=n_cores)
    assert len(set(answer.ids)) > 4, "a model that repeats one token would hide errors"
    return answer


def assert_same_bits(answer: Generation, wanted: Generation) -> None:
    assert answer.logits is not None
    assert wanted.logits is not None
    assert len(answer.logits) == N_TOKENS
    np.testing.assert_array_equal(answer.logits.view(np.uint32), wanted.logits.view(np.uint32))


@pytest.mark.parametrize("model", ["tiny-Q4_K_M", "stories260K-F32"], indirect=True)
@pytest.mark.parametrize(
    ("board", "cpu", "n_cores"),
    [
        ("virt", "cortex-a53", 2),
        ("virt", "cortex-a72", 3),
        ("virt", "cortex-a76", 4),
        ("virt", "max", 8),
        ("virt-el2", "cortex-a72", 4),
        ("virt-el2", "max", 5),
        ("virt", "twin", 2),
        ("virt", "twin", 3),
        ("virt", "twin", 4),
    ],
)
def test_any_number_of_cores_gives_the_bits_of_one(
    workshop: Workshop, model: Path, on_one_core: Generation, board: str, cpu: str, n_cores: int
) -> None:
    built = workshop.image(model, board=board)
    assert_same_bits(answer_of(workshop, built, cpu, n_cores), on_one_core)


@pytest.mark.parametrize("model", ["tiny-Q4_K_M"], indirect=True)
def test_cores_that_really_run_at_once_give_the_same_bits(
    workshop: Workshop, model: Path, on_one_core: Generation
) -> None:
    built = workshop.image(model)
    log = built.directory / "threads.log"
    extra = ("-accel", "tcg,thread=multi")
    with boot(built.image, built.board, n_cores=2, log=log, extra=extra) as target:
        session = Session(target.stream)
        session.connect(expected_build_id=built.image.build_id)
        params = greedy(N_TOKENS, ignore_eog=True)
        answer = session.generate(PROMPT, params, want_logits=True)
        session.poweroff()
    assert_same_bits(answer, on_one_core)


@pytest.mark.parametrize("model", ["wide-Q4_K_M"], indirect=True)
@pytest.mark.parametrize(("cpu", "n_cores"), [("cortex-a72", 1), ("max", 3), ("twin", 8)])
def test_vectors_that_cores_share_have_the_same_bits(
    workshop: Workshop, model: Path, on_one_core: Generation, cpu: str, n_cores: int
) -> None:
    built = workshop.image(model)
    assert "#define ACT_UP_ROWS 256 " in (built.directory / "gen" / "layout.h").read_text()
    assert_same_bits(answer_of(workshop, built, cpu, n_cores), on_one_core)


@pytest.mark.parametrize("model", ["tiny-Q4_K_M", "wide-Q4_K_M", "stories260K-F32"], indirect=True)
def test_no_core_reads_what_no_barrier_has_put_in_order(
    workshop: Workshop, model: Path, on_one_core: Generation
) -> None:
    built = workshop.image(model)
    twin = compile_twin(built.directory, built.directory / "twin", sanitize_threads=True)
    # ThreadSanitizer ends a program that had a report with status 66: a TargetError here.
    with boot_twin(twin, built.directory / "model.blob", n_cores=3) as target:
        session = Session(target.stream)
        session.connect(expected_build_id=built.image.build_id)
        params = greedy(N_TOKENS, ignore_eog=True)
        answer = session.generate(PROMPT, params, want_logits=True)
        session.poweroff()
    assert_same_bits(answer, on_one_core)


@pytest.fixture(scope="module")
def built(workshop: Workshop, tiny_q4_k_m: Path) -> Built:
    return workshop.image(tiny_q4_k_m)


def panic_of(workshop: Workshop, built: Built, image: Image, n_cores: int) -> str:
    """The report of a panic, with names; the only one, whoever else failed."""
    with (
        pytest.raises(TargetPanic) as panic,
        workshop.session(replace(built, image=image), n_cores=n_cores, log="panic.log") as session,
    ):
        session.generate(PROMPT, greedy(4))
    time.sleep(1.0)
    assert (built.directory / "panic.log").read_bytes().count(b"PANIC cpu=") == 1
    return symbolise_report(built.elf, panic.value.report)


def test_a_core_that_fails_is_reported_with_its_number(
    workshop: Workshop, built: Built, tmp_path: Path
) -> None:
    offset = _symbol_offset(built, "parallel_follow")  # no work of the boot core's
    image = with_bytes(built.image, tmp_path / "kernel8.img", offset, UDF)
    report = panic_of(workshop, built, image, n_cores=2)
    for word in ("PANIC cpu=1", "unknown instruction", "parallel_follow", "secondary_entry"):
        assert word in report, report


def test_of_cores_that_fail_at_once_one_is_reported(
    workshop: Workshop, built: Built, tmp_path: Path
) -> None:
    offset = _symbol_offset(built, "rmsnorm_q8_k_neon")  # the first of a layer, by all cores
    image = with_bytes(built.image, tmp_path / "kernel8.img", offset, UDF)
    report = panic_of(workshop, built, image, n_cores=4)
    assert "layer=0" in report
    assert "rmsnorm_q8_k_neon" in report


def test_a_further_core_s_stack_overflow_hits_its_own_guard_page(
    workshop: Workshop, built: Built, tmp_path: Path
) -> None:
    push_forever = bytes.fromhex("fd7bbfa9" + "ffffff17")  # stp x29, x30, [sp, #-16]!; b .-4
    offset = _symbol_offset(built, "parallel_follow")
    image = with_bytes(built.image, tmp_path / "kernel8.img", offset, push_forever)
    report = panic_of(workshop, built, image, n_cores=2)
    assert "PANIC cpu=1" in report
    assert "stack overflow (guard page)" in report


def hand_made_tree(path: Path) -> Path:
    """Virt's devices and six CPUs, of which a machine with two has the first and the last."""

    def cells64(*values: int) -> list[int]:
        return [half for value in values for half in (value >> 32, value & 0xFFFFFFFF)]

    def cpu(number: int, method: str, release: int = 0) -> Node:
        properties: dict[str, Value] = {
            "device_type": "cpu",
            "reg": [number],
            "enable-method": method,
        }
        if release:
            properties["cpu-release-addr"] = cells64(release)
        return Node(f"cpu@{number}", properties)

    root = Node(
        "",
        {"#address-cells": [2], "#size-cells": [2], "compatible": "linux,dummy-virt"},
        [
            Node("psci", {"compatible": "arm,psci-1.0", "method": "hvc"}),
            Node("chosen", {"stdout-path": "/pl011@9000000"}),
            Node("memory@40000000", {"device_type": "memory", "reg": cells64(1 << 30, 512 << 20)}),
            Node(
                "pl011@9000000",
                {
                    "compatible": b"arm,pl011\0arm,primecell\0",
                    "reg": cells64(0x900_0000, 0x1000),
                    "interrupts": [0, 1, 4],
                },
            ),
            Node(
                "intc@8000000",
                {
                    "compatible": "arm,cortex-a15-gic",
                    "reg": cells64(0x800_0000, 0x1_0000, 0x801_0000, 0x1_0000),
                },
            ),
            Node(
                "cpus",
                {"#address-cells": [1], "#size-cells": [0]},
                [
                    cpu(0, "psci"),
                    cpu(5, "psci"),
                    cpu(6, "spin-table", 0x5000_0000),
                    cpu(7, "brcm,bcm2836-smp"),
                    cpu(1, "psci"),
                ],
            ),
        ],
    )
    path.write_bytes(write_device_tree(root))
    return path


def test_cores_that_do_not_come_are_named_and_left_out(
    workshop: Workshop, built: Built, tmp_path: Path
) -> None:
    extra = ("-dtb", str(hand_made_tree(tmp_path / "virt.dtb")))
    log = tmp_path / "console.log"
    with boot(built.image, built.board, n_cores=2, log=log, extra=extra) as target:
        session = Session(target.stream)
        session.connect(expected_build_id=built.image.build_id)
        answer = session.generate("Hello", greedy(4))
        session.poweroff()
    console = log.read_bytes().decode("utf-8", "replace")
    assert "2 of 5 cores run" in console
    assert "core 1 (MPIDR 0x5) is left out: PSCI CPU_ON answers -2" in console
    assert "core 2 (MPIDR 0x6) is left out: called, but it did not come within 1 s" in console
    assert "core 3 (MPIDR 0x7) is left out: the device tree names no enable-method" in console
    assert "core 4" not in console
    assert answer.ids == workshop.answer(built, "Hello", greedy(4)).ids


@pytest.mark.parametrize(
    "machine",
    ["virt,gic-version=2", "virt,gic-version=3", "virt,gic-version=3,virtualization=on"],
    ids=["GICv2", "GICv3", "GICv3, EL2"],
)
def test_idle_cores_leave_the_host_alone(workshop: Workshop, built: Built, machine: str) -> None:
    here = replace(built, board=replace(built.board, machine=machine))
    log = f"idle-{machine.replace(',', '-')}.log"
    with workshop.session(here, n_cores=4, log=log) as session:
        session.generate("Hello", greedy(2))
        (pid,) = qemu_pids(built.directory / log)
        time.sleep(1.0)
        before = cpu_s(pid)
        time.sleep(3.0)
        assert cpu_s(pid) - before < 0.6  # of 3 s; one core that does not sleep takes all of them
