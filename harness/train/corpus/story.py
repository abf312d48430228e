"""Stories: a plot, a cast and a world in which every beat really happens."""

from dataclasses import dataclass
from random import Random

from harness.train.corpus import cast
from harness.train.corpus.plot import Plot, plots
from harness.train.corpus.split import Split, sections
from harness.train.corpus.template import Template, fill, polish
from harness.train.corpus.world import World

DETAILED = 0.6  # share of stories with a detail that the plot does not need


@dataclass(frozen=True)
class Story:
    """The text, the words of its roles, and what is true at its end."""

    plot: Plot
    text: str
    slots: dict[str, str]
    world: World


def tell(rng: Random, split: Split, plot: Plot | None = None) -> Story:
    """One story; `plot` fixes the plot, otherwise chance does."""
    if plot is None:
        plot = plots()[int(rng.random() * len(plots()))]
    slots = cast.choose(rng, plot, split)
    shared = sections("openings")
    world = World()

    def one(template: Template) -> str:
        return fill(template, rng, slots)

    for name in ("habit", "day", "dream"):
        slots[name] = one(shared[name].pick(rng, split))
    beats = [one(shared[slots["cast"]].pick(rng, split))]
    for beat in plot.beats:
        beats.append(one(beat.ways.pick(rng, split)))
        for effect in beat.effects:
            world.apply(effect)
        if beat is plot.beats[0] and rng.random() < DETAILED:
            beats.append(one(shared["detail"].pick(rng, split)))
    beats.append(one(shared[plot.settings["end"]].pick(rng, split)))
    return Story(plot, polish(" ".join(beats)), slots, world)
