"""harness/codegen/recipe.py: the text files by which a board's loader finds kernel and model."""

from pathlib import Path

import pytest

from harness.card import RECIPES_DIR
from harness.codegen.recipe import CONFIG_LINE_MAX, ModelPlace, render_recipe
from harness.errors import CodegenError

RECIPES = sorted(folder.name for folder in RECIPES_DIR.iterdir())
PLACES: tuple[ModelPlace, ...] = ("kernel", "file", "partition")


def rendered(
    recipe: str,
    model: ModelPlace = "file",
    *,
    mainline: bool = False,
    directory: Path = RECIPES_DIR,
    board: str = "Raspberry Pi 4",
) -> dict[str, str]:
    texts = render_recipe(
        recipe,
        board=board,
        build_id=0xABC,
        kernel="kernel8.img",
        model=model,
        model_file="model.blob",
        mainline_device_tree=mainline,
        directory=directory,
    )
    return dict(texts)


@pytest.mark.parametrize("recipe", RECIPES)
def test_only_a_model_in_a_file_is_named_to_the_loader(recipe: str) -> None:
    for place in PLACES:
        (text,) = rendered(recipe, place).values()
        settings = [line for line in text.splitlines() if line and line[0] != "#"]
        assert ("model.blob" in "\n".join(settings)) == (place == "file")
        assert "kernel8.img" in "\n".join(settings)
        assert "0000000000000abc" in text
        assert all(len(line) <= CONFIG_LINE_MAX for line in text.splitlines())


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name.startswith("pi")])
def test_the_settings_of_a_pi_are_settings(recipe: str) -> None:
    """The firmware takes `key=value`, a command and remarks; a remark after a value is a value."""
    (text,) = rendered(recipe, mainline=True).values()
    settings = [line for line in text.splitlines() if line and line[0] != "#"]
    assert settings.count("initramfs model.blob followkernel") == 1
    for line in settings:
        if not line.startswith("initramfs "):
            key, _, value = line.partition("=")
            assert key.isidentifier()
            assert value
            assert " " not in line
    assert "kernel_address=0x80000" in settings
    assert "upstream_kernel=1" in settings
    assert not any(line.startswith("dtoverlay") for line in settings), "the kernel sets up the UART"


def test_a_line_that_the_firmware_would_cut_is_refused() -> None:
    with pytest.raises(CodegenError, match="98 are read"):
        rendered("pi4", board="B" * 90)


def test_a_fault_in_a_recipe_is_ours(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.txt.j2").write_text("kernel={{ kernle }}\n")
    with pytest.raises(CodegenError, match="recipe odd: 'kernle' is undefined") as error:
        rendered("odd", directory=tmp_path)
    assert "fault of Bareword" in error.value.hint
