"""Reads recordings in one way, and says what that took. `bench.peers` starts a process of this file for each way.

Not only for the project's environment: WhisperX and pyannote.audio run with the Python of another one, so nothing of
the project is imported here but by its own ways. Gets the way and the options (JSON) as arguments, then a line of JSON
for each call: recordings with `path`, `samples` (a file of numpy: mono, 16 kHz) and `language`. Prints one for each:
what was found, wall and CPU seconds, and the peak of the memory so far.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from os import sysconf
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = dict[str, Any]
    Read = Callable[[list[Job]], list[Any]]

RATE = 16_000
SLOTS = 2  # recordings that the asr stage works on at a time
KIB = 1024


def ingest(options: Job) -> Read:
    """Return the asr stage: the language of each recording is given, or it finds it."""
    from ingest.asr.decoding import Waiting, decoding
    from ingest.asr.recognition.allocator import keep_freed_memory
    from ingest.asr.recognition.build import make_transcriber
    from ingest.asr.recognition.languages import LanguageHint
    from ingest.asr.settings import AsrSettings
    from ingest.shared.artifacts.transcript import join
    from ingest.shared.sandbox.child import ChildLimits
    from ingest.shared.sandbox.decode import DecodeLimits
    from ingest.shared.settings import load

    keep_freed_memory()
    threads, beam, model = options["threads"], options["beam"], options["model"]
    settings = load(AsrSettings, asr_model=model, asr_device="cpu", asr_beam=beam, asr_cpu_threads=threads)
    transcriber = make_transcriber(settings)
    scratch = Path(tempfile.mkdtemp(prefix="ingest-bench-"))

    def words(job: Job) -> str:
        hint = LanguageHint(job["language"] if options["is_given"] else None)
        with decoding(Path(job["path"]), scratch, DecodeLimits(), ChildLimits(3600), Waiting()) as sound:
            return join(transcriber.transcribe(sound, lambda _done_s: None, hint).segments)

    def read(jobs: list[Job]) -> list[Any]:
        with ThreadPoolExecutor(SLOTS) as pool:
            return list(pool.map(words, jobs))

    return read


def faster_whisper(options: Job) -> Read:
    """Return faster-whisper: one window after another, or its batched pipeline; both with the times of words."""
    library: Any = import_module("faster_whisper")
    model = library.WhisperModel(
        options["model"], device="cpu", compute_type="int8", cpu_threads=options["threads"], local_files_only=True
    )
    way = library.BatchedInferencePipeline(model) if options["batch"] else model
    more = {"batch_size": options["batch"]} if options["batch"] else {}

    def words(job: Job) -> str:
        found, _ = way.transcribe(
            job["path"], language=job["language"], beam_size=options["beam"], word_timestamps=True, **more
        )
        return "".join(segment.text for segment in found)

    return lambda jobs: [words(job) for job in jobs]


def whisperx(options: Job) -> Read:
    """Return WhisperX's recognition; its alignment needs a model for each language that no package brings."""
    library: Any = import_module("whisperx")
    numpy: Any = import_module("numpy")
    model = library.load_model(
        options["model"],
        "cpu",
        compute_type="int8",
        language="en",
        threads=options["threads"],
        asr_options={"beam_size": options["beam"]},
    )

    def words(job: Job) -> str:
        samples = numpy.load(job["samples"])
        # the task is given: where the language changes, WhisperX takes the token of the last task for a name, and fails
        found = model.transcribe(samples, batch_size=options["batch"], language=job["language"], task="transcribe")
        return "".join(segment["text"] for segment in found["segments"])

    return lambda jobs: [words(job) for job in jobs]


def speakers(options: Job) -> Read:
    """Return the asr stage's diarization."""
    import numpy as np

    from ingest.asr.speakers.diarizer import Diarizer, DiarizerOptions

    diarizer = Diarizer(DiarizerOptions(options["pipeline"], "cpu", 16, 1800.0, 0.7))

    def turns(job: Job) -> list[tuple[float, float, str]]:
        found = diarizer.diarize(np.load(job["samples"]), [])
        return [(turn.span.start_s, turn.span.end_s, turn.speaker) for turn in found]

    return lambda jobs: [turns(job) for job in jobs]


def pyannote(options: Job) -> Read:
    """Return the pipeline of pyannote.audio as it comes."""
    numpy, torch = import_module("numpy"), import_module("torch")
    torch.set_num_threads(options["threads"])
    pipeline = import_module("pyannote.audio").Pipeline.from_pretrained(options["pipeline"])

    def turns(job: Job) -> list[tuple[float, float, str]]:
        samples = torch.from_numpy(numpy.load(job["samples"]))[None]
        found = pipeline({"waveform": samples, "sample_rate": RATE}).speaker_diarization
        return [(part.start, part.end, name) for part, _, name in found.itertracks(yield_label=True)]

    return lambda jobs: [turns(job) for job in jobs]


WAYS = {one.__name__: one for one in (ingest, faster_whisper, whisperx, speakers, pyannote)}


def measured(read: Read, jobs: list[Job]) -> Job:
    """Return what a way has found, and what it took."""
    wall, before = time.monotonic(), _cpu_s()
    found = read(jobs)
    took_s, cpu_s = time.monotonic() - wall, _cpu_s() - before
    return {"found": found, "took_s": took_s, "cpu_s": cpu_s, "memory": _peak_bytes()}


def _peak_bytes() -> int:
    """Return the peak of the memory of this process; that of getrusage begins with the peak of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * KIB for line in lines if line.startswith("VmHWM"))


def _cpu_s() -> float:
    """Return the CPU seconds of this process, and of its children and theirs: one of them starts the decoders."""
    ticks = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            times = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:15]
            ticks += sum(map(int, times))
    used = (getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN))
    return ticks / sysconf("SC_CLK_TCK") + sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Load the way's models, then read recordings until the input ends. Other output goes to standard error."""
    answers, sys.stdout = sys.stdout, sys.stderr
    read = WAYS[sys.argv[1]](json.loads(sys.argv[2]))
    print(json.dumps({"is_ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(measured(read, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
