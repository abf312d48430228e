"""The pytest plugin, run by pytest in projects of its own."""

import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from harness.boot.qemu import find_qemu
from harness.compile.twin import native_compiler
from harness.errors import HarnessError
from harness.plugin.capabilities import capabilities_of, why_not
from harness.synth import synthesize
from tests.models import ROOT
from toolchain import find_toolchain

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

# The module, whether or not an installed Bareword has its entry point; with the setting.
PLUGIN = ("-p", "no:bareword", "-p", "harness.plugin", "-o", "bareword=true")
HEAVY = ("numpy", "serial", "qemu", "jinja2", "elftools", "harness.cli", "harness.link")


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return pytester


def test_a_project_that_does_not_ask_sees_nothing_of_it(project: pytest.Pytester) -> None:
    """Options, fixtures and markers of the same names stay its own; nothing heavy is imported."""
    project.makepyprojecttoml("[tool.pytest.ini_options]\naddopts = '--strict-markers'\n")
    project.makeconftest(
        """
        import pytest
        def pytest_addoption(parser):
            parser.addoption("--target", type=int)
            parser.addoption("--port")
        @pytest.fixture
        def dut(pytestconfig):
            return pytestconfig.getoption("--target")
        """
    )
    project.makepyfile(
        f"""
        import sys
        def test_own(dut):
            assert dut == 7
        def test_light():
            assert "harness.plugin" in sys.modules
            assert not {set(HEAVY)} & set(sys.modules)
        """
    )
    # As the entry point loads it: nobody has named it.
    loads = "import pytest, harness.plugin as p; raise SystemExit(pytest.main(['-q', '-p', "
    loads += "'no:bareword', '--target', '7', '--port', 'x'], plugins=[p]))"
    result = project.run(sys.executable, "-c", loads)
    result.assert_outcomes(passed=2)


@pytest.fixture
def installed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """With the entry point of pyproject.toml, as an installed Bareword has it."""
    folder = pytester.mkdir("site") / "bareword-0.1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: bareword\nVersion: 0.1.0\n")
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    name, module = next(iter(points["pytest11"].items()))
    (folder / "entry_points.txt").write_text(f"[pytest11]\n{name} = {module}\n")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{folder.parent}")
    return pytester


@pytest.mark.parametrize(
    ("words", "settings", "environment"),
    [
        (("-p", "bareword"), "", ""),
        (("-pbareword",), "", ""),
        ((), "bareword = true", ""),
        (("-o", "bareword=true"), "", ""),
        ((), "addopts = -p bareword", ""),
        ((), "", "-p bareword"),
    ],
)
def test_an_installed_plugin_is_asked_for_in_every_way_that_is_documented(
    installed: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    settings: str,
    environment: str,
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", environment)
    installed.makeini(f"[pytest]\n{settings}\n")
    result = installed.runpytest_subprocess(*words, "--help")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*--target=WHERE*"])


def test_an_installed_plugin_that_nobody_asks_for_adds_no_option(
    installed: pytest.Pytester,
) -> None:
    result = installed.runpytest_subprocess("-p", "no:cacheprovider", "--help")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*--target=WHERE*")


def test_its_options_and_markers_are_told_where_it_is_asked_for(project: pytest.Pytester) -> None:
    asked = project.runpytest_subprocess(*PLUGIN, "--help")
    asked.stdout.fnmatch_lines(["*--target=WHERE*", "*--port=PORT*", "*--model=FILE*"])
    markers = project.runpytest_subprocess(*PLUGIN, "--markers")
    markers.stdout.fnmatch_lines(["@pytest.mark.needs(*", "@pytest.mark.cores(*"])


def test_wrong_options_are_named(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(dut): pass")
    for options, said in (
        (("--target", "usb:x"), "*usb:x*is not qemu, or serial:PORT*"),
        (("--target", "qemu", "--port", "x"), "*--target and --port: one of them*"),
        (("--model", "none.gguf"), "*--model none.gguf is not there*"),
    ):
        result = project.runpytest_subprocess(*PLUGIN, *options)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([said])


DESCRIPTION = "pi5, 4 x Cortex-A76 (dotprod), EL2, tiny"


def test_capabilities_come_from_what_the_kernel_says() -> None:
    target = capabilities_of(DESCRIPTION, 2 << 30)
    assert (target.board, target.cores, target.cpu) == ("pi5", 4, "Cortex-A76")
    assert target.features == {"neon", "dotprod"}
    with pytest.raises(HarnessError, match="describes itself"):
        capabilities_of("nonsense", 0)


@pytest.mark.parametrize(
    ("marker", "args", "reason"),
    [
        ("needs", ("dotprod",), None),
        ("needs", ("dotprod", "i8mm"), "needs i8mm, Cortex-A76 has dotprod"),
        ("cores", (4,), None),
        ("cores", (8,), "needs 8 cores, the target has 4"),
        ("ram", ("2G",), None),
        ("ram", ("4G",), "needs 4G of RAM, the target has 2048M"),
        ("boards", ("pi4", "pi5"), None),
        ("boards", ("pi4",), "is for pi4, not pi5"),
    ],
)
def test_a_marker_says_why_a_test_cannot_run(
    marker: str, args: tuple[object, ...], reason: str | None
) -> None:
    assert why_not(capabilities_of(DESCRIPTION, 2 << 30), marker, args) == reason


PROJECT = """
    import pytest
    from harness.link.messages import SamplingParams

    GREEDY = SamplingParams(n_predict=5, temp=0.0, ignore_eog=True)

    def test_an_answer(dut):
        assert len(dut.generate("x", GREEDY).ids) == 5

    def test_the_same_again(dut, console, model):
        assert len(dut.generate("x", GREEDY).ids) == 5
        assert dut.welcome.n_ctx > 0
        assert model.name == "micro.gguf"

    @pytest.mark.cores(8)
    def test_many_cores(dut):
        assert False

    @pytest.mark.needs("neon")
    @pytest.mark.ram("1M")
    def test_what_every_target_has(target):
        assert target.capabilities.cores == N_CORES

    @pytest.mark.needs("nonsense")
    def test_a_marker_of_nonsense(target):
        assert False
"""


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        find_toolchain()
        native_compiler()
        find_qemu()
    except HarnessError as missing:
        pytest.skip(str(missing).splitlines()[0])
    folder = tmp_path_factory.mktemp("model")
    return synthesize("micro", quant="Q8_0", path=folder / "micro.gguf")


@pytest.mark.target
@pytest.mark.parametrize(
    ("options", "n_cores", "figures"),
    [
        (("--icount",), 1, {"instructions_per_token"}),
        (("--board", "raspi3b"), 4, {"tokens_per_s", "mhz", "celsius"}),
    ],
    ids=["virt, counted", "a Pi"],
)
def test_a_project_s_tests_run_on_a_target(
    project: pytest.Pytester,
    micro: Path,
    options: tuple[str, ...],
    n_cores: int,
    figures: set[str],
) -> None:
    project.makepyprojecttoml("[tool.pytest.ini_options]\nbareword = true\n")
    project.makepyfile(PROJECT.replace("N_CORES", str(n_cores)))
    report = project.path / "report.xml"
    build = micro.parent / "build"
    result = project.runpytest_subprocess(
        *PLUGIN, "--target", "qemu", *options, "--model", str(micro), "--image-dir", str(build),
        "-rs", f"--junitxml={report}", "-o", "junit_family=xunit1",
    )  # fmt: skip
    result.assert_outcomes(passed=3, skipped=1, errors=1)
    result.stdout.fnmatch_lines([f"*needs 8 cores, the target has {n_cores}*"])
    result.stdout.fnmatch_lines(["*no feature is called 'nonsense'*"])
    cases = {case.get("name"): case for case in ET.parse(report).iter("testcase")}
    told = {
        name: {
            found.get("name"): float(found.get("value", "nan")) for found in case.iter("property")
        }
        for name, case in cases.items()
    }
    for name in ("test_an_answer", "test_the_same_again"):
        assert told[name].keys() == figures
    assert told["test_what_every_target_has"] == {}, "no answer, no figures"
    answer = told["test_an_answer"]
    assert answer.get("instructions_per_token", 10_001) > 10_000
    assert answer.get("tokens_per_s", 1) > 0
    assert (answer.get("mhz", 700), answer.get("celsius", 25)) == (700, 25)  # QEMU's firmware
