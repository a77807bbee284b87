"""Turn the trained weights into a folder that `pyannote.audio` loads: `python -m training.voices_export`.

Writes the pipeline (segmentation, embedding, agglomerative clustering) to services/ingest/demo/models/mini-voices, and
its fingerprint beside it: loading a checkpoint executes it, so that the demonstration loads no other.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import yaml
from pyannote.audio.core.task import Problem, Resolution, Specifications

from ingest.demo import VOICE_MODEL, VOICE_MODEL_SHA256
from ingest.demo.voice_model import MiniVoice
from ingest.shared.artifacts.fingerprint import fingerprint
from training.segmentation_train import new_model

if TYPE_CHECKING:
    from pyannote.audio import Model

CLUSTERING = {"method": "centroid", "min_cluster_size": 6, "threshold": 0.75}
STEP = 0.2  # of the window: half the passes of the default


def checkpoint(model: Model, path: Path) -> None:
    """Write a model as pyannote.audio's checkpoints are: weights, hyperparameters, and where the class is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content: dict[str, object] = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": "2.0.0",
    }
    model.on_save_checkpoint(content)  # type: ignore[no-untyped-call]
    torch.save(content, path)


def write_plda(folder: Path, dimension: int) -> None:
    """Write a PLDA that changes nothing: the pipeline wants one, agglomerative clustering does not use it."""
    folder.mkdir(parents=True, exist_ok=True)
    zeros, identity = np.zeros(dimension, dtype=np.float32), np.eye(dimension, dtype=np.float32)
    np.savez_compressed(folder / "xvec_transform.npz", mean1=zeros, mean2=zeros, lda=identity)
    np.savez_compressed(folder / "plda.npz", mu=zeros, tr=identity, psi=np.ones(dimension, dtype=np.float32))


def export(source: Path, target: Path) -> None:
    """Write the folder from the weights in `source`."""
    segmentation = new_model()
    segmentation.load_state_dict(torch.load(source / "segmentation.pt", weights_only=True))
    checkpoint(segmentation, target / "segmentation" / "pytorch_model.bin")
    voice = MiniVoice()
    voice.load_state_dict(torch.load(source / "voice.pt", weights_only=True))
    voice.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=3.0, min_duration=0.5
    )
    checkpoint(voice, target / "embedding" / "pytorch_model.bin")
    write_plda(target / "plda", voice.dimension)
    config = {
        "dependencies": {"pyannote.audio": "4.0.0"},
        "pipeline": {
            "name": "pyannote.audio.pipelines.SpeakerDiarization",
            "params": {
                "clustering": "AgglomerativeClustering",
                "segmentation": "$model/segmentation",
                "segmentation_step": STEP,
                "embedding": "$model/embedding",
                "embedding_exclude_overlap": True,
                "plda": "$model/plda",
            },
        },
        "params": {"segmentation": {"min_duration_off": 0.0}, "clustering": CLUSTERING},
    }
    (target / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    VOICE_MODEL_SHA256.write_text(fingerprint(target) + "\n")


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/voices"), help="where the weights are")
    arguments = parser.parse_args()
    export(arguments.folder, VOICE_MODEL)
    size = sum(path.stat().st_size for path in VOICE_MODEL.rglob("*") if path.is_file())
    print(f"{VOICE_MODEL}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
