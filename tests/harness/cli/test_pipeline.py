"""harness/cli/pipeline.py: what is made again, what is kept, and what a failure leaves behind."""

import dataclasses
import json
import shutil
import threading
from pathlib import Path

import pytest

from harness.cli import pipeline
from harness.cli.lock import locked
from harness.cli.manifest import sources_sha256, write_json
from harness.cli.options import BuildOptions
from harness.cli.pipeline import Built, build, built_from, load_built, model_of
from harness.errors import HarnessError, ImageError
from harness.image import make_image
from harness.synth import synthesize
from toolchain import find_toolchain

pytestmark = pytest.mark.slow  # compiles kernels


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models of one shape, whose files have one size."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("one", "two"):
        (folder / name).mkdir()
    return (
        synthesize("micro", quant="Q8_0", path=folder / "one" / "m.gguf", seed=1),
        synthesize("micro", quant="Q8_0", path=folder / "two" / "m.gguf", seed=2),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: objects that did not change are not compiled again."""
    return tmp_path_factory.mktemp("pipeline")


@pytest.fixture
def options(models: tuple[Path, Path], folder: Path) -> BuildOptions:
    """To build a copy of the first model, which a test may replace."""
    try:
        find_toolchain()
    except HarnessError as missing:
        pytest.skip(str(missing).splitlines()[0])
    model = folder / "m.gguf"
    shutil.copy(models[0], model)
    return BuildOptions(model, "virt", 64, "f16", None, None, folder / "build")


def made(built: Built) -> tuple[bytes, bytes]:
    return built.image.kernel8.read_bytes(), (built.directory / "model.blob").read_bytes()


@pytest.mark.parametrize("stage", ["compile_kernel", "make_image"])
def test_a_failed_build_of_something_else_is_not_taken_for_the_first(
    stage: str,
    options: BuildOptions,
    models: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert options.model is not None
    first = made(built := build(options))
    shutil.copy(models[1], options.model)

    def interrupted(*args: object, **kwargs: object) -> None:
        if stage == "make_image":  # it comes to its end: only the manifest is missing
            make_image(*args, **kwargs)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, stage, interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(options)
    monkeypatch.undo()
    with pytest.raises(ImageError, match="not an image directory"):
        load_built(built.directory)
    shutil.copy(models[0], options.model)
    assert made(build(options)) == first
    assert build(options).changed == ()


def test_an_interrupted_build_keeps_the_blob_that_is_still_right(
    options: BuildOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(options)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "compile_kernel", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(options)
    monkeypatch.undo()
    assert "model.blob" not in build(options).changed


def test_models_of_one_name_in_two_folders_do_not_share_a_directory(
    options: BuildOptions, models: tuple[Path, Path]
) -> None:
    assert options.model is not None
    paths = (options.model, models[1])
    one, two = (build(dataclasses.replace(options, model=path)) for path in paths)
    assert one.directory.name == "m"
    assert two.directory.name.startswith("m-")
    assert len(two.directory.name) == len("m-01234567")
    for path, built in zip(paths, (one, two), strict=True):
        again = build(dataclasses.replace(options, model=path))
        assert (again.directory, again.changed) == (built.directory, ())
        assert model_of(again).path == path.resolve()


def test_the_directory_remembers_the_cpu(options: BuildOptions) -> None:
    built = build(dataclasses.replace(options, cpu="cortex-a53"))
    assert load_built(built.directory).cpu == "cortex-a53"


def test_a_model_that_changed_since_is_not_the_image_s(
    options: BuildOptions, models: tuple[Path, Path]
) -> None:
    assert options.model is not None
    directory = build(options).directory
    model_of(load_built(directory))
    shutil.copy(models[1], options.model)
    with pytest.raises(ImageError, match=r"m\.gguf has \d+ bytes and SHA-256 .* was made from"):
        model_of(load_built(directory))
    options.model.unlink()
    with pytest.raises(ImageError, match="not there any more"):
        model_of(load_built(directory))


def test_every_source_that_reads_or_packs_is_in_the_blob_s_key(
    options: BuildOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[str] = []

    def listening(*paths: Path) -> str:
        folders.extend(path.name for path in paths)
        return sources_sha256(*paths)

    monkeypatch.setattr(pipeline, "sources_sha256", listening)
    build(options)
    assert {"gguf", "image", "compile"} <= set(folders)


def test_a_state_beyond_its_budget_is_said_at_build(
    options: BuildOptions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build(options)
    assert "MORE THAN" not in capsys.readouterr().err
    monkeypatch.setattr("harness.plan.memory.STATE_BUDGET", 1024)
    build(options)
    assert "MORE THAN 1 KiB" in capsys.readouterr().err


def test_json_is_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert list(tmp_path.iterdir()) == [path]


def test_an_image_that_is_being_made_is_waited_for(options: BuildOptions) -> None:
    built = build(options)
    manifest = json.loads((built.directory / "manifest.json").read_text())
    image = dataclasses.replace(options, model=built.directory)
    found: list[Built] = []
    with locked(built.directory):
        write_json(built.directory / "manifest.json", manifest | {"complete": False})
        thread = threading.Thread(target=lambda: found.append(built_from(image)))
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        write_json(built.directory / "manifest.json", manifest)
    thread.join(30)
    assert found[0].image.build_id == built.image.build_id
