"""The frames of a voice network over a whole recording: the same as those of one pass, whatever the blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ingest.asr.speakers.frames import BLOCK_FRAMES, CENTRED_MS, RecordingFrames, reach

RATE = 16_000
BANDS, DIMENSION = 16, 8
MOST_DIFFERENCE = 1e-4  # of the largest value
CHUNK_S = 10
Network = Any  # torch does not know the types of its layers


@pytest.fixture(scope="module")
def network() -> Network:
    """A narrow network with the layers of ResNet34 and random weights."""
    from pyannote.audio.models.embedding.wespeaker import BaseWeSpeakerResNet  # seconds of imports
    from pyannote.audio.models.embedding.wespeaker.resnet import BasicBlock, ResNet

    torch.manual_seed(1)
    made = BaseWeSpeakerResNet(num_mel_bins=BANDS)
    made.resnet = ResNet(BasicBlock, [3, 4, 6, 3], 4, BANDS, DIMENSION, two_emb_layer=False)  # type: ignore[no-untyped-call]  # of pyannote
    return made.eval()


def noise(seconds: float) -> torch.Tensor:
    """Loud and quiet noise in turn."""
    rng = np.random.default_rng(2)
    loudness = np.repeat(rng.uniform(0.01, 0.5, 1 + int(seconds)), RATE)[: int(seconds * RATE)]
    return torch.from_numpy((rng.standard_normal(len(loudness)) * loudness).astype(np.float32))


def chunks(count: int, length_s: float = CHUNK_S) -> list[range]:
    return [range(second * RATE, int((second + length_s) * RATE)) for second in range(count)]


def found(
    network: Network,
    waveform: torch.Tensor,
    spans: list[range],
    masks: torch.Tensor,
    *,
    whole: bool = False,
) -> dict[int, torch.Tensor]:
    frames = RecordingFrames(network, whole_blocks=whole)
    with torch.inference_mode():
        return {number: torch.from_numpy(each) for number, each in frames.embeddings(waveform, spans, masks)}


def test_the_reach_is_that_of_the_convolutions(network: Network) -> None:
    """A change of one feature changes frames up to the reach, and none beyond."""
    context, length = reach(network.resnet)
    features = torch.randn(1, 800, BANDS)
    changed = features.clone()
    changed[0, 400] += 100
    with torch.inference_mode():
        one, other = (network.resnet.forward_frames(each.clone()) for each in (features, changed))
    differs = (one != other).any(dim=1).any(dim=1)[0].nonzero()[:, 0] * length
    assert (context, length) == (112, 8)
    assert 400 - context <= int(differs.min()) < int(differs.max()) <= 400 + context
    assert int(differs.max()) - int(differs.min()) > context


@pytest.mark.parametrize("whole", [pytest.param(True, id="the last block filled"), pytest.param(False, id="cut")])
@pytest.mark.parametrize(
    "seconds", [pytest.param(47.3, id="several blocks"), pytest.param(3.0, id="less than a chunk")]
)
def test_blocks_give_the_embeddings_of_one_pass(network: Network, seconds: float, *, whole: bool) -> None:
    waveform, spans = noise(seconds), chunks(max(1, int(seconds) - CHUNK_S + 1))
    masks = (torch.rand(len(spans), 3, 589, generator=torch.Generator().manual_seed(3)) > 0.5).float()
    masks[..., int(589 * seconds / CHUNK_S) :] = 0
    padded = torch.nn.functional.pad(waveform, (0, max(0, spans[-1].stop - len(waveform))))
    with torch.inference_mode():
        features = network.compute_fbank(waveform[None, None])[0]
        half = CENTRED_MS // 20
        centred = torch.stack(
            [each - features[max(0, at - half) : at + half + 1].mean(0) for at, each in enumerate(features)]
        )
        missing = network.compute_fbank(padded[None, None]).shape[1] - len(centred)
        context, length = reach(network.resnet)
        wide = torch.nn.functional.pad(centred, (0, 0, context, missing + context))
        frames = network.resnet.forward_frames(wide[None])[..., context // length :]
        expected = [
            network.forward_embedding(frames[..., round(12.5 * number) :][..., :125], masks[number : number + 1])[0]
            for number in range(len(spans))
        ]
    given = found(network, waveform, spans, masks, whole=whole)
    assert int(seconds * 12.5) > 2 * BLOCK_FRAMES or len(spans) == 1
    assert list(given) == list(range(len(spans)))
    for number, each in given.items():
        assert float((each - expected[number]).abs().max()) <= MOST_DIFFERENCE * float(expected[number].abs().max())


def test_only_blocks_with_speech_are_computed(network: Network) -> None:
    """One chunk in a minute has speech: two blocks at most go through the network."""
    passes: list[int] = []
    handle = network.resnet.conv1.register_forward_hook(
        lambda _module, _inputs, output: passes.append(output.shape[-1])
    )
    masks = torch.zeros(51, 2, 589)
    masks[30, 1, 100:400] = 1
    given = found(network, noise(60), chunks(51), masks)
    handle.remove()
    assert list(given) == [30]
    assert len(passes) <= 2


@pytest.mark.parametrize("seconds", [pytest.param(0.01, id="10 ms"), pytest.param(0.5, id="half a second")])
def test_a_recording_shorter_than_a_chunk_has_embeddings(network: Network, seconds: float) -> None:
    given = found(network, noise(seconds), chunks(1), torch.ones(1, 1, 589))
    assert torch.isfinite(given[0]).all()


def test_without_speech_there_is_no_embedding(network: Network) -> None:
    assert found(network, noise(20), chunks(11), torch.zeros(11, 3, 589)) == {}
