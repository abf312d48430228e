from toolchain import flags
from toolchain.flags import compile_flags, link_flags, twin_flags

TABLES = (
    "COMMON", "KERNEL", "CLANG", "CLANG_PRODUCTS", "GCC", "BEFORE_MMU", "COMPUTE", "CRC", "TWIN",
    "LINK",
)  # fmt: skip


def test_code_before_the_mmu_keeps_off_vector_registers() -> None:
    for source in ("arch/mmu.c", "dev/uart_pl011.c", "platform/platform.c", "lib/fdt.c"):
        assert {"-mgeneral-regs-only", "-mstrict-align"} <= set(compile_flags("clang", source))


def test_arithmetic_may_use_them() -> None:
    for source in ("nn/rope_neon.c", "lib/math.c", "lib/f16.c", "llm/sampler.c", "app/serve.c"):
        assert "-mgeneral-regs-only" not in compile_flags("gcc", source)


def test_only_the_crc_file_may_use_its_instruction() -> None:
    assert "-march=armv8-a+crc" in compile_flags("clang", "arch/crc32_arm.c")
    assert "-march=armv8-a+crc" not in compile_flags("clang", "lib/crc32.c")


def test_the_contract_of_numbers_holds_in_every_build() -> None:
    for built in (
        compile_flags("clang", "nn/vec.c"),
        compile_flags("gcc", "nn/vec.c"),
        twin_flags(x86_fma=True, sanitize=False),
    ):
        assert "-ffp-contract=off" in built
        assert not {"-ffast-math", "-Ofast", "-funsafe-math-optimizations"} & set(built)


def test_only_clang_is_told_the_target() -> None:
    assert "--target=aarch64-none-elf" in compile_flags("clang", "arch/start.S")
    assert not any(flag.startswith("--target") for flag in compile_flags("gcc", "arch/start.S"))


def test_assembly_gets_no_forced_include() -> None:
    assert "-include" not in compile_flags("clang", "arch/start.S")
    assert "-include" in compile_flags("clang", "arch/mmu.c")


def test_linker_warnings_are_errors() -> None:
    assert {"--fatal-warnings", "--gc-sections"} <= set(link_flags())


def test_every_flag_has_a_reason() -> None:
    for table in TABLES:
        for flag, why in getattr(flags, table):
            assert flag.startswith("-"), flag
            assert len(why) > 7, flag
    assert all(len(why) > 7 for table in flags.TIERS.values() for _, why in table)


def test_only_the_files_of_a_tier_may_use_its_instructions() -> None:
    assert "-march=armv8-a" in compile_flags("clang", "nn/matvec_q4_k_neon.c")
    for kind in ("clang", "gcc"):
        dotprod = compile_flags(kind, "nn/matvec_q4_k_dotprod_neon.c")
        assert "-march=armv8.2-a+dotprod" in dotprod
        assert "-march=armv8-a" not in dotprod
        assert "-march=armv8.2-a+dotprod+i8mm" in compile_flags(kind, "nn/gemm_k_i8mm_neon.c")


def test_llvm_leaves_the_order_of_the_hot_loops_alone() -> None:
    for source in ("nn/matvec_q8_0_neon.c", "nn/gemm_k_i8mm_neon.c"):
        flags_of_loops = compile_flags("clang", source)
        at = flags_of_loops.index("-mllvm")
        assert flags_of_loops[at + 1] == "-enable-misched=false"
    assert "-mllvm" not in compile_flags("clang", "nn/rope_neon.c")
    assert "-mllvm" not in compile_flags("gcc", "nn/matvec_q8_0_neon.c")
