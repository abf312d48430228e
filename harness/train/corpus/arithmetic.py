"""Sums, differences, the times table and tiny word problems, each with its answer.

Held out: one in ten pairs for sums and differences. Of products only the phrasings are held out: a
times table is learnt by heart, by people too, so training has all of it.
"""

from random import Random

from harness.train.corpus.data import listed
from harness.train.corpus.data.words import BOYS, GIRLS
from harness.train.corpus.numbers import in_words
from harness.train.corpus.split import Split, allowed, held_out, sections
from harness.train.corpus.template import fill

COUNTED = listed("apples pears coins books stones shells cups eggs nuts balls flowers fish")
WORD_LIMIT = 20  # in words up to here; larger numbers are written in digits
# Sums in words go further in training: ten and a little more is a rule there, not ten cases.
TRAIN_WORD_LIMIT = 40
WORD_PROBLEMS = 0.12  # of all
WORDS = 0.15  # of all: "three plus four"
_SIGN = {"addition": "+", "subtraction": "-", "multiplication": "x"}
_SPOKEN = {"addition": "plus", "subtraction": "minus", "multiplication": "times"}


def pair(rng: Random, operation: str, split: Split, limit: int) -> tuple[int, int]:
    """Operands of this split; for a subtraction the first is not the smaller one."""
    while True:
        a, b = rng.randint(0, limit), rng.randint(0, limit)
        if operation == "subtraction" and a < b:
            a, b = b, a
        if pair_allowed(a, b, operation, split):
            return a, b


def pair_allowed(a: int, b: int, operation: str, split: Split) -> bool:
    """The rule of what is held out; training has every product, validation asks for a few."""
    if operation == "multiplication":
        return split == "train" or (a < b and held_out(f"{a}x{b}", 5))
    return allowed(f"{a}{_SIGN[operation]}{b}", split)


def result(a: int, b: int, operation: str) -> int:
    """What comes out."""
    return {"addition": a + b, "subtraction": a - b, "multiplication": a * b}[operation]


def exchange(rng: Random, split: Split, words: float = WORDS) -> tuple[str, str]:
    """A question and its answer; a share `words` of them in words."""
    operation = rng.choice(("addition", "addition", "subtraction", "subtraction", "multiplication"))
    kind = rng.random()
    if kind < min(WORD_PROBLEMS, 1 - words) and operation != "multiplication":
        return _word_problem(rng, operation, split)
    spelt = kind < WORD_PROBLEMS + words
    limit = 12 if operation == "multiplication" else 10 if spelt else rng.choice((20, 99, 99, 99))
    if spelt and operation != "addition":
        limit = 10 if operation == "multiplication" else WORD_LIMIT
    elif spelt and split == "train" and rng.random() < 0.5:
        limit = TRAIN_WORD_LIMIT // 2
    a, b = pair(rng, operation, split, limit)
    answer = result(a, b, operation)
    if spelt and answer <= (TRAIN_WORD_LIMIT if split == "train" else WORD_LIMIT):
        slots = {"a": in_words(a), "b": in_words(b)}
        reply = f"{slots['a']} {_SPOKEN[operation]} {slots['b']} is {in_words(answer)}."
        reply = reply[0].upper() + reply[1:]
    else:
        slots = {"a": str(a), "b": str(b)}
        reply = f"{a} {_SIGN[operation]} {b} = {answer}."
    question = fill(sections("chat")[operation].pick(rng, split), rng, slots)
    return question[0].upper() + question[1:], reply


def _word_problem(rng: Random, operation: str, split: Split) -> tuple[str, str]:
    girl = rng.random() < 0.5
    a, b = pair(rng, operation, split, 20)
    while a < 2:  # "1 apples"
        a, b = pair(rng, operation, split, 20)
    slots = {"a": str(a), "b": str(b), "name": rng.choice(GIRLS if girl else BOYS)}
    slots |= {"he": "she", "He": "She"} if girl else {"he": "he", "He": "He"}
    slots["things"] = rng.choice(COUNTED)
    section = sections("chat")["more" if operation == "addition" else "less"]
    question = fill(section.pick(rng, split), rng, slots)
    return question, f"{a} {_SIGN[operation]} {b} = {result(a, b, operation)}."
