"""images/recipes/NAME -> the text files that a board's loader reads from its card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import jinja2

from harness.card import RECIPES_DIR
from harness.errors import CodegenError

# Part of the kernel, beside it, on its own partition, or sent to the chainloader with the kernel.
ModelPlace = Literal["kernel", "file", "partition", "line"]

CONFIG_LINE_MAX = 98  # characters that the Pi's firmware reads of a line of config.txt


def render_recipe(
    recipe: str,
    *,
    board: str,
    build_id: int,
    kernel: str,
    model: ModelPlace,
    model_file: str,
    mainline_device_tree: bool,
    directory: Path = RECIPES_DIR,
) -> Mapping[str, str]:
    """Each file of a recipe by its path on the card; the same arguments give the same bytes."""
    folder = directory / recipe
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.j2"))
    try:
        texts = {
            name.removesuffix(".j2"): environment.get_template(name).render(
                board=board,
                build_id=f"{build_id:016x}",
                kernel=kernel,
                model=model,
                model_file=model_file,
                mainline_device_tree=mainline_device_tree,
            )
            for name in names
        }
    except jinja2.TemplateError as exc:
        raise CodegenError(
            f"recipe {recipe}: {exc}", hint="this is a fault of Bareword, not of the board"
        ) from exc
    for line in (line for text in texts.values() for line in text.splitlines()):
        if len(line) > CONFIG_LINE_MAX:
            raise CodegenError(
                f"recipe {recipe}: a line has {len(line)} characters, {CONFIG_LINE_MAX} are read: "
                f"{line}",
                hint="shorten the board's description or its file names",
            )
    return texts
