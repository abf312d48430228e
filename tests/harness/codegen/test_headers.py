"""harness/codegen: the same bytes every time, equal to the golden files, and valid C."""

import dataclasses
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.board import board_names, load_board
from harness.codegen import Headers, render_headers, write_headers
from harness.codegen import headers as headers_module
from harness.codegen.headers import TEMPLATES
from harness.errors import CodegenError
from harness.gguf import GGMLType, Model, read_gguf
from harness.plan import plan_memory
from harness.synth import synthesize
from tests.harness.plan.shapes import model_of

ROOT = Path(__file__).resolve().parents[3]
GOLDEN_DIR = ROOT / "tests" / "golden"
REWRITE = os.environ.get("BAREWORD_GOLDEN") == "rewrite"  # make golden

GOLDEN = {
    "appended": model_of(name="golden F32", n_layer=2, n_ff=92, n_ctx_train=100, n_vocab=42),
    "initrd": model_of(
        name="golden Q4_0 tied",
        n_embd=512,
        n_layer=1,
        n_ff=512,
        n_vocab=60_000,
        matrix_type=GGMLType.Q4_0,
        tied=True,
    ),
}


def headers_of(model: Model, board: str = "virt", sha256: str = "00" * 32) -> Headers:
    virt = load_board(board)
    return render_headers(model, virt, plan_memory(model, virt), gguf_sha256=sha256)


@pytest.mark.parametrize("name", GOLDEN)
def test_generated_files_equal_the_golden_ones(name: str) -> None:
    files = headers_of(GOLDEN[name]).files
    directory = GOLDEN_DIR / name
    if REWRITE:
        shutil.rmtree(directory, ignore_errors=True)
        for path, text in files.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(text, encoding="utf-8")
    golden = {
        path.relative_to(directory).as_posix(): path.read_text(encoding="utf-8")
        for path in directory.rglob("*")
        if path.is_file()
    }
    assert dict(files) == golden, "if the change is meant: make golden, and review the diff"


def test_the_goldens_cover_both_ways_of_the_blob() -> None:
    virt = load_board("virt")
    assert plan_memory(GOLDEN["appended"], virt).blob_appended
    assert not plan_memory(GOLDEN["initrd"], virt).blob_appended


def test_rendering_is_deterministic() -> None:
    assert headers_of(GOLDEN["appended"]) == headers_of(GOLDEN["appended"])


def test_the_build_id_changes_with_model_and_plan() -> None:
    model = GOLDEN["appended"]
    virt = load_board("virt")
    ids = {
        headers_of(model).build_id,
        headers_of(model, sha256="01" * 32).build_id,
        headers_of(dataclasses.replace(model, name="another")).build_id,
        render_headers(
            model, virt, plan_memory(model, virt, n_ctx=50), gguf_sha256="00" * 32
        ).build_id,
        render_headers(
            model, virt, plan_memory(model, virt, kv_type="f32"), gguf_sha256="00" * 32
        ).build_id,
    }
    assert len(ids) == 5
    headers = headers_of(model)
    assert f"#define BUILD_ID 0x{headers.build_id:016x}ull" in headers.files["gen/model.h"]


@pytest.mark.parametrize("board", [name for name in board_names() if name != "virt"])
def test_one_image_fits_every_board_with_the_same_layout(board: str) -> None:
    here, there = headers_of(GOLDEN["initrd"]), headers_of(GOLDEN["initrd"], board=board)
    assert here.build_id == there.build_id
    for name, text in here.files.items():
        assert name == "gen/kernel.ld" or there.files[name] == text


def test_every_board_is_a_row_of_the_table() -> None:
    board_h = headers_of(GOLDEN["initrd"]).files["gen/board.h"]
    assert re.findall(r'\.name = "([^"]+)"', board_h)[:2] == ["virt", "virt-el2"]
    assert sorted(re.findall(r'\.name = "([^"]+)"', board_h)) == board_names()
    assert ".intc = {INTC_BCM2836, 0x40000000ull, 0x3f00b200ull}" in board_h
    assert ".sd = {{SD_HOST_SDHCI, 0xfe340000ull}, {SD_HOST_ARASAN, 0xfe300000ull}}" in board_h


def test_the_gguf_file_is_hashed_when_its_hash_is_not_known(tmp_path: Path) -> None:
    path = synthesize("micro", quant="F32", path=tmp_path / "m.gguf")
    model, virt = read_gguf(path), load_board("virt")
    plan = plan_memory(model, virt)
    digest = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout
    assert render_headers(model, virt, plan) == render_headers(
        model, virt, plan, gguf_sha256=digest.split()[0]
    )


@pytest.mark.parametrize(
    "name",
    [
        'x"; system("rm -rf /"); "',
        "back\\slash \\",
        "trigraph ??/ and ??'",
        "line\nbreak\r\n#error\u2028",
        "*/ int x; /*",
        "%s%n",
        "{{ board.name }}{% raw %}",
        "名前 ﷽ \u202e",
        "\0\x07\x1b[31m",
        "",
        "x" * 100_000,
    ],
)
def test_a_hostile_name_stays_inside_its_string(name: str, tmp_path: Path) -> None:
    harmless = headers_of(dataclasses.replace(GOLDEN["appended"], name="n")).files["gen/model.h"]
    hostile = headers_of(dataclasses.replace(GOLDEN["appended"], name=name)).files["gen/model.h"]
    assert hostile.isascii()
    differing = [
        (a, b) for a, b in zip(harmless.splitlines(), hostile.splitlines(), strict=True) if a != b
    ]
    assert all(
        a.startswith(("// Model", "#define MODEL_NAME", "#define BUILD_ID")) for a, _ in differing
    )
    compile_headers(headers_of(dataclasses.replace(GOLDEN["appended"], name=name)), tmp_path)


@pytest.mark.parametrize("name", GOLDEN)
def test_the_headers_are_valid_c(name: str, tmp_path: Path) -> None:
    compile_headers(headers_of(GOLDEN[name]), tmp_path)


def compile_headers(headers: Headers, directory: Path) -> None:
    """Every macro that stands for a value is evaluated by a C compiler."""
    gcc = shutil.which("gcc") or shutil.which("cc")
    if gcc is None:
        pytest.skip("no C compiler for this machine")
    write_headers(headers, directory)
    program = directory / "headers.c"
    program.write_text(
        '#include "gen/board.h"\n#include "gen/layout.h"\n#include "gen/link.h"\n'
        '#include "nn/layer.h"\n#include "platform/board.h"\n'
        "const char name[] = MODEL_NAME;\n"
        "const struct board boards[] = {BOARDS};\n"
        "const uint32_t eog[] = EOG_IDS;\n"
        "const float floats[] = {RMS_EPS, ATTN_SCALE, EMBEDDING_SCALE};\n"
        "const float more[] = {RESIDUAL_SCALE, LOGIT_SCALE};\n"
        "const struct tensor tensors[] = {TENSOR_TOKEN_EMBD, TENSOR_OUTPUT_NORM, TENSOR_OUTPUT};\n"
        "const struct layer_tensors layers[N_LAYER] = TENSOR_LAYERS;\n"
        'static_assert(BLOB_ROPE < BLOB_SIZE && BLOB_TOKEN_SORTED < BLOB_SIZE, "");\n'
        "static_assert("
        'ACT_LOGITS + 4 * N_LOGIT_ROWS * N_VOCAB_ROWS <= REGION_ACTIVATIONS_SIZE, "");\n'
        'static_assert(ACT_SCRATCH + ACT_SCRATCH_SIZE <= REGION_ACTIVATIONS_SIZE, "");\n'
        'static_assert(LINK_TX + LINK_WINDOW * LINK_SLOT_SIZE <= REGION_LINK_SIZE, "");\n',
        encoding="utf-8",
    )
    subprocess.run(
        [gcc, "-std=c17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
         f"-I{ROOT / 'kernel'}", f"-I{directory}", str(program)],
        check=True,
    )  # fmt: skip


def test_unchanged_files_keep_their_time_stamp(tmp_path: Path) -> None:
    headers = headers_of(GOLDEN["appended"])
    paths = write_headers(headers, tmp_path)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in paths) == sorted(TEMPLATES)
    for path in paths:
        os.utime(path, (1, 1))
    model_h = tmp_path / "gen" / "model.h"
    model_h.write_text("changed", encoding="utf-8")
    write_headers(headers, tmp_path)
    changed = {path.name for path in paths if path.stat().st_mtime != 1}
    assert changed == {"model.h"}
    assert model_h.read_text(encoding="utf-8") == headers.files["gen/model.h"]
    assert sorted(path.name for path in (tmp_path / "gen").iterdir()) == sorted(
        Path(name).name for name in TEMPLATES
    )


def test_a_folder_that_cannot_be_written_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "gen").write_text("a file where the folder should be")
    with pytest.raises(CodegenError, match=r"cannot write .*gen"):
        write_headers(headers_of(GOLDEN["appended"]), tmp_path)


def test_a_template_with_an_unknown_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.h.j2").write_text("{{ plan.n_cxt }}", encoding="utf-8")
    monkeypatch.setattr(headers_module, "TEMPLATES_DIR", tmp_path)
    with pytest.raises(CodegenError, match="n_cxt"):
        headers_of(GOLDEN["appended"])
