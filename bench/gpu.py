"""A card's speed at the work of the asr and embedder stages, in one command of at most eight minutes.

It also runs where only torch and transformers are installed, and names what it leaves out there. The recognizer is the
architecture of distil-large-v3 with random weights, so that nothing has to be fetched: it takes as long as with trained
weights, for as many tokens as speech has (4 a second). Further networks are those of the speakers (with pyannote.audio)
and of the texts, with random weights, too. With --model, the product's own recognizer reads the bundled samples.

`h/h` are hours of audio in an hour. `busy` is the share of the time in which the device worked, `starved` the share in
which it waited for features from the CPU. `card` is the activity by the counter that is named above the table, `GiB`
the memory of the card in use. On a machine without a card the networks are tiny: the figures then say nothing, and
the command shows only that all of it works.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

from bench import gpu_counters, gpu_models, gpu_product
from bench.gpu_models import SEGMENTATION_S, TOKENS_A_SECOND, WINDOW_S, Place
from bench.gpu_workers import ALL_STAGES, RECOGNITION, Job, Measurement, Session, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.gpu_counters import Activity, Card

HEAD = ("what", "batch", "workers", "h/h", "busy", "starved", "card", "GiB")
SINGLE = {  # what else is measured: how it is made, items at a time, seconds of audio in an item
    "texts of 128 tokens": (gpu_models.texts, 256, 0.0),
    "segmentation, windows of 10 s": (gpu_models.segmentation, 32, float(SEGMENTATION_S)),
    "voice frames, windows of 10 s": (gpu_models.voices, 32, float(SEGMENTATION_S)),
}


def main() -> None:
    """Measure and print."""
    options = _options()
    has_card = torch.cuda.is_available()
    place = Place("cuda" if has_card else "cpu", is_small=not has_card)
    card = gpu_counters.card() if has_card else gpu_counters.NoCard("no card, so the networks are tiny")
    session = Session(place, options.beam, TOKENS_A_SECOND * WINDOW_S if has_card else 4, options.seconds)
    recognised = list(recognitions(session, options.batches, options.workers, card))
    others = [one for one in (single(name, place, options.seconds, card) for name in SINGLE) if one]
    product = list(gpu_product.measured(options, card)) if options.model else []
    if options.json:
        figures = [asdict(one) for one in (*recognised, *product)]
        print(json.dumps({"card": about(), "counter": card.counter, "figures": figures, "others": others}, indent=2))
        return
    print(about(), card.counter, sep="\n")
    print_table([HEAD, *(row(one) for one in (*recognised, *product))])
    for one in others:
        print(one)
    for name in left_out():
        print(f"left out: {name} is not installed")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print the raw figures instead of tables")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (default %(default)s)")
    parser.add_argument("--batches", type=numbers, default=[8, 16, 32, 64], help="windows at a time (8,16,32,64)")
    parser.add_argument("--workers", type=numbers, default=[1, 2, 3, 4], help="processes on the card (1,2,3,4)")
    parser.add_argument("--beam", type=int, default=5, help="beams of the recognizer (default %(default)s)")
    parser.add_argument(
        "--model", help="a Whisper model for CTranslate2, as a folder: measured with the product's code"
    )
    return parser.parse_args()


def numbers(text: str) -> list[int]:
    """Return whole numbers, separated by commas: an argparse type."""
    found = [int(part) for part in text.split(",")]
    if min(found) < 1:
        raise argparse.ArgumentTypeError(f"{text}: numbers of at least 1")
    return found


def recognitions(session: Session, batches: Sequence[int], workers: Sequence[int], card: Card) -> Iterator[Measurement]:
    """Yield each batch with one process, the best one with more, and all stages together."""
    alone = measure(session, 1, [Job(RECOGNITION, batch) for batch in batches], card)
    yield from alone
    best = max(alone, key=lambda one: one.audio_s / one.took_s if one.took_s else 0.0).job.batch
    for count in workers:
        jobs = [Job(RECOGNITION, best)] if count > 1 else []
        yield from measure(session, count, [*jobs, Job(ALL_STAGES, best)], card)


def single(name: str, place: Place, seconds: float, card: Card) -> str:
    """Return the pace of another network, as a line; an empty text without its package."""
    make, count, audio_s = SINGLE[name]
    try:
        work: Callable[[int], None] = make(place)
    except ImportError:
        return ""
    count = 2 if place.is_small else count
    work(count)
    place.ready()
    done, began = 0, time.monotonic()
    with card.watched() as activity:
        while time.monotonic() - began < seconds / 2:
            work(count)
            done += count
        place.ready()
    a_second = done / (time.monotonic() - began)
    audio = f", {a_second * audio_s:.0f} s of audio" if audio_s and not place.is_small else ""
    return f"{name}: {a_second:.0f} a second{audio}{_shown(activity)}"


def _shown(activity: Activity) -> str:
    return "" if activity.share is None else f", card {activity.share:.0%}"


def row(one: Measurement) -> tuple[str, ...]:
    """Return a measurement as a row of the table."""
    first = (one.job.kind, f"{one.job.batch}", f"{one.workers}")
    if one.error:
        return (*first, one.error, "", "", "", "")
    shares = (f"{part / one.took_s:.0%}" for part in (one.busy_s, one.starved_s))
    share, memory = (one.activity.share, one.activity.memory_gib) if one.activity else (None, None)
    card = ("-" if share is None else f"{share:.0%}", "-" if memory is None else f"{memory:.1f}")
    return (*first, f"{one.audio_s / one.took_s:.1f}", *shares, *card)


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their columns."""
    widths = [max(len(cells[number]) for cells in rows) for number in range(len(rows[0]))]
    for cells in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def about() -> str:
    """Return what is measured on."""
    if not torch.cuda.is_available():
        return f"torch {torch.__version__}, no card"
    found = torch.cuda.get_device_properties(0)
    return f"torch {torch.__version__}, CUDA {torch.version.cuda}, {found.name}, {found.total_memory >> 30} GiB"


def left_out() -> list[str]:
    """Return the packages whose part of the measurement is missing."""
    return [name for name in ("ctranslate2", "pyannote") if importlib.util.find_spec(name) is None]


if __name__ == "__main__":
    main()
