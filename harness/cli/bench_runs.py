"""Images booted under the counting plugin, one after the other: each CPU, cores and context."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.bench.code import Code
from harness.bench.counter import Counts, build_plugin, plugin_arguments, read_counts
from harness.bench.profile import Profile, make_profile
from harness.cli.options import TargetOptions
from harness.cli.pipeline import Built
from harness.cli.progress import bar, note
from harness.cli.smp import check_smp
from harness.cli.target import running
from harness.compile import Elf
from harness.errors import BenchError, HarnessError
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt

FIRST_ID = 3  # after the special tokens of most vocabularies
STRIDE = 7919  # a prime: prompts without a pattern, and the same ones every time


@dataclass
class Counting:
    """Where the plugin writes; `counts` once the machine is off."""

    arguments: tuple[str, ...]
    out: Path
    _counts: list[Counts] = field(default_factory=list)

    @property
    def counts(self) -> Counts:
        """What was counted."""
        return self._counts[0]


@contextmanager
def counting(elf: Elf, directory: Path) -> Iterator[Counting]:
    """QEMU arguments for use within the context; read after it. The plugin is kept in directory."""
    plugin = build_plugin(directory)
    with tempfile.TemporaryDirectory(prefix="bareword-count-") as folder:
        out = Path(folder) / "counts"
        found = Counting(plugin_arguments(plugin, elf, Path(folder) / "marks", out), out)
        yield found
        found._counts.append(read_counts(out))


def usable_cores(wanted: Sequence[int]) -> tuple[int, ...]:
    """Those numbers of cores that the kernel can use; the others are named on stderr."""
    usable = []
    for n in wanted:
        try:
            check_smp(n)
            usable.append(n)
        except HarnessError as error:
            note(f"left out: {error}")
    return tuple(usable)


def usable_contexts(wanted: Sequence[int], n_decode: int, n_ctx: int) -> tuple[int, ...]:
    """Those prompts that leave room for what is decoded; the others are named on stderr."""
    for n in wanted:
        if n + n_decode > n_ctx:
            note(
                f"left out: context {n}: a prompt of {n} and {n_decode} tokens, "
                f"the image holds {n_ctx} (--ctx N)"
            )
    return tuple(n for n in wanted if n + n_decode <= n_ctx)


def measure(
    built: Built,
    *,
    cpus: Sequence[str],
    cores: Sequence[int],
    contexts: Sequence[int],
    n_decode: int,
) -> list[Profile]:
    """A profile per combination; greedy, and the same token ids each time."""
    elf = Elf.read(built.elf)
    code = Code(elf, built.directory / "obj")
    runs = [(cpu, n, n_prompt) for cpu in cpus for n in cores for n_prompt in contexts]
    profiles = []
    with bar("counting", len(runs), "runs") as shown:
        for cpu, n_cores, n_prompt in runs:
            counts = count_run(built, elf, cpu, n_cores, n_prompt, n_decode)
            profile = make_profile(
                counts, code, cpu=cpu, cores=n_cores, n_ctx=n_prompt, n_prompt=n_prompt
            )
            check_all_took_part(profile)
            profiles.append(profile)
            shown.advance(1)
    return profiles


def check_all_took_part(profile: Profile) -> None:
    """BenchError when a core executed nothing: the others did its share, and the counts mislead."""
    absent = profile.decode.cores.count(0)
    if absent:
        raise BenchError(
            f"{profile.cpu}: {profile.cores - absent} of {profile.cores} cores took part",
            hint="a busy machine started the others too late for the kernel; try again",
        )


def count_run(
    built: Built, elf: Elf, cpu: str, n_cores: int, n_prompt: int, n_decode: int
) -> Counts:
    """What the plugin counts in one run: boot, a prompt of n_prompt ids, n_decode passes."""
    options = TargetOptions(cpu, None, icount=False, twin=False)
    # The first token comes out of the prefill; each further one is a pass of its own.
    params = SamplingParams(n_predict=n_decode + 1, temp=0.0, ignore_eog=True)
    with counting(elf, built.directory) as found:
        extra = [*found.arguments, "-smp", str(n_cores)]
        with running(built, options, extra=extra) as session:
            n_ids = session.welcome.n_vocab_rows - FIRST_ID
            ids = [FIRST_ID + i * STRIDE % n_ids for i in range(n_prompt)]
            session.generate(Prompt.of_ids(ids), params)
    return found.counts
