"""`bench.real_speech` on a bundled sample with the miniature model: its figures, its page, its choice of recordings."""

from __future__ import annotations

import json
import re
import shutil
from argparse import Namespace
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bench import real_speech, real_speech_page
from bench import real_speech_score as score
from bench.real_speech_set import HALVES, chosen, read
from bench.real_speech_ways import PRODUCT
from ingest.asr.settings import AsrSettings
from ingest.asr.spans import Span
from ingest.demo import ASR_MODEL, samples
from ingest.shared.settings import load
from tests.integration.bad_inputs.recordings import pcm

if TYPE_CHECKING:
    from pathlib import Path

    from bench.real_speech_ways import Figure

SAMPLE = samples()[0]
WRONG = "zeppelin"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spoken recording, of whose text one word is wrong, and one without speech."""
    made = tmp_path_factory.mktemp("speech")
    (made / "audio" / "nonspeech").mkdir(parents=True)
    shutil.copy(SAMPLE.path, made / "audio" / SAMPLE.path.name)
    noise = np.random.default_rng(1).integers(-300, 300, 3 * 16_000, dtype=np.int16)
    pcm(made / "audio" / "nonspeech" / "hum.wav", noise.tobytes(), rate=16_000)
    start_s = SAMPLE.sentences[0].start_s
    (made / "turns.rttm").write_text(f"SPEAKER x 1 {start_s} 3.0 <NA> <NA> ada <NA> <NA>\n")
    lines = [
        {
            "file": f"audio/{SAMPLE.path.name}",
            "seconds": SAMPLE.duration_s,
            "language": "en",
            "text": f"{SAMPLE.text} {WRONG}",
            "rttm": "turns.rttm",
        },
        {"file": "audio/nonspeech/hum.wav", "kind": "no speech: noise"},
    ]
    (made / "manifest.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return made


@pytest.fixture(scope="module")
def measured(folder: Path) -> list[Figure]:
    settings = load(AsrSettings, asr_model=str(ASR_MODEL), asr_device="cpu", asr_beam=1)
    return list(real_speech.figures(folder, read(folder), settings, alone=False))


@pytest.mark.long
def test_all_ways_are_measured_on_the_same_words(measured: list[Figure], capsys: pytest.CaptureFixture[str]) -> None:
    spoken, silent = measured
    assert spoken.words == len(score.words(SAMPLE.text, "en")) + 1
    assert set(spoken.readings) == {PRODUCT, "one by one", "batched"}
    assert all(1 <= one.wrong < spoken.words / 4 for one in spoken.readings.values())
    assert abs(spoken.start_errors_s[0]) < 0.5
    assert (silent.searchable, silent.searchable_without_phrases) == ((), ())
    real_speech.print_words(measured)
    real_speech.print_rest(measured)
    shown = capsys.readouterr().out
    assert f"{spoken.readings[PRODUCT].wrong / spoken.words:.1%}" in shown
    assert "1 of 1" in shown


@pytest.mark.long
def test_figures_are_read_again(measured: list[Figure], tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.json" for number in range(len(measured))]
    for file, one in zip(files, measured, strict=True):
        file.write_text(json.dumps({"figures": [asdict(one)]}))
    every = Namespace(half="all", subset=None, only="")
    assert real_speech.measured_before(files, every) == measured
    again = tmp_path / "again.json"
    alone = replace(measured[0], language="de", readings={PRODUCT: replace(measured[0].readings[PRODUCT], wrong=9)})
    again.write_text(json.dumps({"figures": [asdict(alone)]}))
    both = real_speech.measured_before([*files, again], every)
    assert both == [replace(alone, readings=measured[0].readings | alone.readings), measured[1]]
    silent = Namespace(half="all", subset=None, only="nonspeech")
    assert real_speech.measured_before(files, silent) == measured[1:]


@pytest.mark.long
def test_the_page_has_the_audio_and_marks_what_differs(measured: list[Figure], folder: Path) -> None:
    page = real_speech_page.page(measured, folder)
    assert f"<del>{WRONG}</del>" in page or f"{WRONG}</del>" in page
    assert (folder / "audio" / SAMPLE.path.name).resolve().as_uri() in page
    assert f"of {measured[0].words} words wrong" in page
    assert "nothing is said" in page


@pytest.mark.long
def test_letters_of_a_script_without_blanks_stay_together_on_the_page(measured: list[Figure], folder: Path) -> None:
    spoken = measured[0]
    changed = replace(
        spoken,
        recording=replace(spoken.recording, language="ja", text="客観的実在"),
        readings={PRODUCT: replace(spoken.readings[PRODUCT], text="客観点実在")},
    )
    assert "客観 <del>的</del> <ins>点</ins> 実在" in real_speech_page.page([changed], folder)


@pytest.mark.long
def test_short_utterances_have_their_row(measured: list[Figure], capsys: pytest.CaptureFixture[str]) -> None:
    short = replace(measured[0], recording=replace(measured[0].recording, seconds=1.5))
    real_speech.print_rest([short, replace(short, invented=("Yes.",)), *measured])
    assert re.search(r"at most 2 s.* 1 of 2\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("said", "written", "language", "inside", "wrong"),
    [
        pytest.param("It's ten, yes!", "its TEN yes", "en", False, 0, id="marks and capitals"),
        pytest.param("L\u2019été", "l e\u0301te\u0301", "fr", False, 0, id="elision, and two forms of an accent"),
        pytest.param("客観的", "客 観 点", "ja", False, 1, id="letters"),
        pytest.param("a b c", "x a b c y z", "en", False, 3, id="more words"),
        pytest.param("a b c", "x a b c y z", "en", True, 0, id="a text inside of other words"),
        pytest.param("a b c", "", "en", True, 3, id="nothing"),
    ],
)
def test_words_are_compared_as_they_sound(
    said: str,
    written: str,
    language: str,
    inside: bool,  # noqa: FBT001 (a table)
    wrong: int,
) -> None:
    lists = score.words(said, language), score.words(written, language)
    assert score.errors(*lists, inside=inside) == wrong
    changed = sum(max(len(one.said), len(one.written)) for one in score.differences(*lists) if one.kind != "equal")
    assert inside or changed == wrong


def test_starts_are_compared_where_a_pause_is_before_them() -> None:
    turns = [Span(1.0, 2.0), Span(2.1, 3.0), Span(5.0, 6.0), Span(9.0, 9.5)]
    assert score.start_errors(turns, [1.25, 2.1, 4.9, 5.4]) == pytest.approx([0.25, -0.1])


def test_a_speaker_is_in_one_half_and_a_subset_has_the_shortest_of_each_folder(folder: Path) -> None:
    found = read(folder)
    assert sorted(one.file for half in HALVES for one in chosen(found, half, None)) == sorted(o.file for o in found)
    longer = [replace(one, file=f"{one.file}.2", seconds=one.seconds + 1) for one in found]
    assert chosen([*longer, *found], "all", 1) == found
    scene = replace(found[0], file="audio/game_nl/cave/a.ogg")
    assert [one.group for one in (*found, scene)] == ["audio", "nonspeech", "game_nl"]
