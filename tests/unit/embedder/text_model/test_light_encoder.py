"""The encoder of questions: it needs no torch, and refuses models of other kinds. `test_model_keys` has its vectors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from ingest.embedder.text_model import light_encoder
from ingest.embedder.text_model.model_files import bundled

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def source() -> Path:
    found = bundled()
    assert found is not None
    return found


def test_a_question_needs_no_torch() -> None:
    code = (
        "import sys, ingest.embedder.search.hybrid; from ingest.embedder.text_model import light_encoder; "
        "from ingest.embedder.settings import EmbedderSettings; "
        "light_encoder.load(EmbedderSettings()); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("config.json", {"model_type": "mpnet"}, id="architecture"),
        pytest.param("config.json", {"hidden_act": "gelu_new"}, id="activation"),
        pytest.param("config.json", {"num_hidden_layers": 7}, id="a layer too many"),
        pytest.param("1_Pooling/config.json", {"pooling_mode_cls_token": True}, id="pooling"),
        pytest.param("config_sentence_transformers.json", {"default_prompt_name": "query"}, id="prompt"),
        pytest.param("sentence_bert_config.json", {"do_lower_case": True}, id="lower case"),
        pytest.param("sentence_bert_config.json", {"max_seq_length": None}, id="no length"),
    ],
)
def test_another_kind_of_model_is_left_to_the_other_encoder(
    source: Path, name: str, change: dict[str, object], tmp_path: Path
) -> None:
    folder = copied(source, tmp_path)
    file = folder / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(light_encoder.UnknownModelError):
        light_encoder.read(str(folder), folder)


def test_weights_of_another_precision_are_left_to_the_other_encoder(source: Path, tmp_path: Path) -> None:
    folder = copied(source, tmp_path)
    file = folder / "model.safetensors"
    weights = {name: weight.astype(np.float16) for name, weight in load_file(file).items()}
    file.unlink()
    save_file(weights, file)
    with pytest.raises(light_encoder.UnknownModelError):
        light_encoder.read(str(folder), folder)


def copied(source: Path, folder: Path) -> Path:
    """Return a copy of the model whose large file is a link."""
    made = shutil.copytree(source, folder / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    (made / "model.safetensors").symlink_to(source / "model.safetensors")
    return made
