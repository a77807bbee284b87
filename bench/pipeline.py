"""Pipeline efficiency: the lower bound of the makespan, divided by the makespan of the real queues and worker loops.

The stage times are simulated (the handlers sleep); nats-server, bus, worker loops and messages are the real ones.
Three ways to run the same trace are measured side by side: streaming (all stages at once), barrier (a stage starts when
the previous one has finished all videos) and single-phase (a video is downloaded, recognised and embedded in one go).
"""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import report
from bench.schedule import Mode, StageTimes, Trace, lower_bound_s, plan, sample, stretched
from bench.services import Pipeline, Visits, run_in_process
from ingest.cli.local.nats_server import EmbeddedNats
from ingest.shared.messages import Stage

if TYPE_CHECKING:
    import argparse

# the trace of the original notes: slots, mean seconds of a video
SEED_TIMES = {Stage.CHECK: (20, 0.0), Stage.DOWNLOAD: (12, 60.0), Stage.ASR: (2, 20.0), Stage.EMBEDDER: (12, 5.0)}
LATER_STAGE = (12, 0.0)  # slots and seconds of a stage that the notes do not have
SEED_TRACE = [(str(stage), *SEED_TIMES.get(stage, LATER_STAGE)) for stage in Stage]
IN_PROCESS = "in-process"
WARM_UP_VIDEOS = 2


@dataclass(frozen=True)
class Figures:
    """What one run has shown; seconds of this machine, at the scale of the run.

    `busy` is the share of the time between its first and its last video that a slot of the bottleneck works;
    `handover_s` its pause between two videos; `calls` and `call_s` are those of the bus, by method.
    """

    makespan_s: float
    first_result_s: float
    busy: float
    handover_s: float
    calls: dict[str, int]
    call_s: dict[str, float]


def main() -> None:
    """Measure and print."""
    options = _options()
    report.quiet()
    trace = sample(
        [(name, slots, s / options.scale) for name, slots, s in SEED_TRACE], options.videos, options.noise, options.seed
    )
    rounds = _measure(trace, options.modes, options.rounds)
    if options.json:
        figures = {name: [asdict(one) for one in each] for name, each in rounds.items()}
        planned = {mode: asdict(plan(trace, mode)) for mode in Mode}
        report.print_json(
            {"options": vars(options), "lower_bound_s": lower_bound_s(trace), "rounds": figures, "simulated": planned}
        )
    else:
        _print(trace, options, rounds)


def _options() -> argparse.Namespace:
    parser = report.parser("bench.pipeline", __doc__)
    parser.add_argument("--videos", type=report.positive, default=30, help="videos in the trace (default %(default)s)")
    parser.add_argument("--rounds", type=report.positive, default=3, help="runs of each mode (default %(default)s)")
    parser.add_argument(
        "--scale", type=float, default=60.0, help="how much faster than the trace (default %(default)s)"
    )
    parser.add_argument("--noise", type=float, default=0.5, help="spread of the service times (default +-%(default)s)")
    parser.add_argument(
        "--modes",
        nargs="+",
        choices=[*Mode, IN_PROCESS],
        default=[*Mode, IN_PROCESS],
        help="what to run (default all; streaming is always run)",
    )
    return parser.parse_args()


def _measure(trace: Trace, modes: list[str], rounds: int) -> dict[str, list[Figures]]:
    """Run the modes in turn, so many times; a short run before them warms everything up."""
    wanted = [name for name in (*Mode, IN_PROCESS) if name in modes or name == Mode.STREAMING]
    figures: dict[str, list[Figures]] = {name: [] for name in wanted}
    with tempfile.TemporaryDirectory(prefix="ingest-bench-") as folder:
        server = EmbeddedNats(Path(folder) / "nats")
        try:
            Pipeline(server, Path(folder), _head(trace, WARM_UP_VIDEOS)).run(Mode.STREAMING)
            for _, name in itertools.product(range(rounds), wanted):
                if name == IN_PROCESS:
                    visits = run_in_process(trace)
                else:
                    visits = Pipeline(server, Path(folder), trace).run(Mode(name))
                figures[name].append(_figures(visits, list(Stage)[trace.bottleneck]))
        finally:
            server.stop()
    return figures


def _head(trace: Trace, videos: int) -> Trace:
    return Trace(tuple(StageTimes(stage.name, stage.slots, stage.times_s[:videos]) for stage in trace.stages))


def _figures(visits: Visits, bottleneck: Stage) -> Figures:
    ends_s = visits.ends_s(Stage.EMBEDDER)
    slots = visits.slots_of(bottleneck)
    busy_s = sum(visit.end_s - visit.begin_s for slot in slots for visit in slot)
    open_s = sum(slot[-1].end_s - slot[0].begin_s for slot in slots)
    pauses_s = [after.begin_s - before.end_s for slot in slots for before, after in itertools.pairwise(slot)]
    return Figures(
        makespan_s=ends_s[-1],
        first_result_s=ends_s[0],
        busy=busy_s / open_s,
        handover_s=report.median(pauses_s) if pauses_s else 0.0,
        calls={method: len(times_s) for method, times_s in visits.calls.by_method.items()},
        call_s={method: report.median(times_s) for method, times_s in visits.calls.by_method.items()},
    )


def _print(trace: Trace, options: argparse.Namespace, rounds: dict[str, list[Figures]]) -> None:
    print("stage times simulated: handlers sleep; nats-server, bus, worker loops and messages are real")
    report.print_machine()
    stages = ", ".join(f"{name} {seconds:g} s x {slots}" for name, slots, seconds in SEED_TRACE)
    print(f"{options.videos} videos: {stages}; +-{options.noise:.0%}; scale 1:{options.scale:g}")
    print(f"medians of {options.rounds} rounds\n")
    columns = (
        "mode",
        "makespan",
        "lower bound",
        "efficiency",
        "ideal (simulated)",
        "to streaming",
        "first result",
        "bottleneck busy",
    )
    report.print_table(columns, (_row(trace, name, rounds) for name in rounds))
    print()
    _print_overhead(trace, rounds)
    _print_full_size(trace, options.scale, rounds[Mode.STREAMING])
    _print_calls(rounds[Mode.STREAMING], options.videos)


def _row(trace: Trace, name: str, rounds: dict[str, list[Figures]]) -> tuple[str, ...]:
    bound_s = lower_bound_s(trace)
    each = rounds[name]
    makespans_s = [one.makespan_s for one in each]
    ideal = plan(trace, Mode.STREAMING if name == IN_PROCESS else Mode(name))
    return (
        name,
        f"{report.median(makespans_s):.2f} s",
        f"{bound_s:.2f} s",
        f"{report.median(bound_s / makespan_s for makespan_s in makespans_s):.3f}",
        f"{bound_s / ideal.last_s:.3f}",
        report.ratios(makespans_s, [one.makespan_s for one in rounds[Mode.STREAMING]]),
        f"{report.median(one.first_result_s for one in each):.2f} s",
        f"{report.median(one.busy for one in each):.3f}",
    )


def _print_overhead(trace: Trace, rounds: dict[str, list[Figures]]) -> None:
    streaming = rounds[Mode.STREAMING]
    name = trace.stages[trace.bottleneck].name
    handover_ms = report.median(one.handover_s for one in streaming) * 1000
    print(f"hand-over: a slot of {name} pauses {handover_ms:.1f} ms between two videos (streaming)")
    if IN_PROCESS in rounds:
        pairs = list(zip(streaming, rounds[IN_PROCESS], strict=True))
        share = report.median(1 - other.makespan_s / one.makespan_s for one, other in pairs)
        print(f"queue overhead: {share:.1%} of the streaming makespan (against the same sleeps on in-process queues)")


def _print_full_size(trace: Trace, scale: float, streaming: list[Figures]) -> None:
    """Print what the hand-over costs when the stages take their full time: it does not grow with them."""
    handover_s = report.median(one.handover_s for one in streaming)
    full = stretched(trace, scale, 0.0)
    ideal, slowed = (plan(one, Mode.STREAMING) for one in (full, stretched(trace, scale, handover_s)))
    print(
        f"at full size (simulated: the same trace at 1:1, with the measured hand-over): "
        f"efficiency {lower_bound_s(full) / slowed.last_s:.3f}, queue overhead {1 - ideal.last_s / slowed.last_s:.2%}"
    )


def _print_calls(streaming: list[Figures], videos: int) -> None:
    print("\ncalls of the bus by the workers (streaming); the time of a fetch is mostly waiting and not shown")
    methods = sorted({method for one in streaming for method in one.calls})
    rows = []
    for method in methods:
        count = report.median(one.calls.get(method, 0) for one in streaming)
        call_ms = report.median(one.call_s.get(method, 0.0) for one in streaming) * 1000
        rows.append((method, f"{count:.0f}", f"{count / videos:.2f}", f"{call_ms:.1f} ms" if call_ms else "-"))
    report.print_table(("call", "count", "for each video", "median"), rows)


if __name__ == "__main__":
    main()
