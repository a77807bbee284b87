"""Turn a training checkpoint into the model that the services load: `python -m training.asr_convert`.

Writes CTranslate2 int8 (about 3 MB) to services/ingest/demo/models/mini-whisper, from the running average of the
weights.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch
from ctranslate2.converters import TransformersConverter
from transformers import GenerationConfig, PreTrainedTokenizerFast, WhisperFeatureExtractor

from ingest.demo import ASR_MODEL
from training.asr_model import ALIGNMENT_HEADS, Ids, Learner
from training.asr_train import load_tokenizer


def convert(folder: Path, target: Path) -> None:
    """Convert the checkpoint in `folder`; replaces what is in `target`."""
    tokenizer = load_tokenizer(folder)
    ids = Ids.of(tokenizer)
    learner = Learner(tokenizer)
    learner.load_state_dict(torch.load(folder / "checkpoint.pt", weights_only=True)["average"])
    whisper = learner.whisper
    last_layer = whisper.config.decoder_layers - 1
    whisper.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=ids.end,
        eos_token_id=ids.end,
        pad_token_id=ids.end,
        decoder_start_token_id=ids.start,
        suppress_tokens=[],
        begin_suppress_tokens=[ids.end],
        alignment_heads=[[last_layer, head] for head in ALIGNMENT_HEADS],
    )
    with tempfile.TemporaryDirectory() as temporary:
        whisper.save_pretrained(temporary)
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)  # type: ignore[no-untyped-call]
        fast.save_pretrained(temporary)
        (Path(temporary) / "tokenizer.json").write_text(tokenizer.to_str())
        extractor = WhisperFeatureExtractor(feature_size=80)  # type: ignore[no-untyped-call]
        extractor.save_pretrained(temporary)
        converter = TransformersConverter(
            temporary, copy_files=["tokenizer.json", "preprocessor_config.json"], load_as_float16=False
        )
        converter.convert(str(target), quantization="int8", force=True)
    # the filter bank is computed anew from these numbers; it would be nine tenths of the file
    path = target / "preprocessor_config.json"
    content = {name: value for name, value in json.loads(path.read_text()).items() if name != "mel_filters"}
    path.write_text(json.dumps(content, indent=2) + "\n")


def main() -> None:
    """Read the command line and convert."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/asr"), help="where training keeps its checkpoint")
    parser.add_argument("--target", type=Path, default=ASR_MODEL, help="where the converted model goes")
    arguments = parser.parse_args()
    convert(arguments.folder, arguments.target)
    size = sum(path.stat().st_size for path in arguments.target.iterdir())
    print(f"{arguments.target}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
