"""The two MobileNets side by side: grids, and convolutions made of two narrow ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from spectrum.training.backbone import (
    CLASSIFIER,
    EXTRACTOR_FEATURES,
    WIDTH,
    FactorisedConvolution,
    Stems,
    Tails,
    means,
    started,
)
from spectrum.training.ensemble import TEACHERS
from spectrum.training.mobilenet import FEATURES, MobileNetV1, MobileNetV2
from spectrum.training.photographs import captioned, seen
from spectrum.training.quantised import fill, products


def correlated(channels: int, varying: int) -> torch.Tensor:
    """Maps 20 C 3 3 whose channels go together: most of what they do has a few directions."""
    generator = torch.Generator().manual_seed(1)
    few = torch.randn(180, varying, generator=generator) @ torch.randn(
        varying, channels, generator=generator
    )
    rows = few + 0.1 * torch.randn(180, channels, generator=generator) + 1.0
    return rows.reshape(20, 3, 3, channels).permute(0, 3, 1, 2)


def test_full_rank_is_the_whole_convolution() -> None:
    torch.manual_seed(0)
    whole, entering = nn.Conv2d(13, 7, 1), correlated(13, 5)
    factorised = FactorisedConvolution(13, 7, 7)
    share = factorised.approximate(whole, entering)
    assert share.item() == pytest.approx(1.0)
    others = torch.randn(2, 13, 5, 3)
    wanted = functional.relu6(whole(others))
    torch.testing.assert_close(factorised(others), wanted, atol=1e-4, rtol=1e-4)


def test_factors_fitted_to_responses_beat_the_truncated_matrix() -> None:
    """Inputs vary in three directions that the weight's own decomposition knows nothing of."""
    torch.manual_seed(0)
    whole, entering = nn.Conv2d(13, 17, 1), correlated(13, 3)
    factorised = FactorisedConvolution(13, 17, 3)
    share = factorised.approximate(whole, entering)
    wanted = whole(entering)
    ours = (factorised.widen(factorised.narrow(entering)) - wanted).square().mean()
    left, values, right = torch.linalg.svd(whole.weight.flatten(1), full_matrices=False)
    truncated = left[:, :3] * values[:3] @ right[:3]
    assert whole.bias is not None
    plain = torch.einsum("oc,bchw->bohw", truncated, entering) + whole.bias[:, None, None]
    assert ours < 0.1 * (plain - wanted).square().mean()
    spread = (wanted - wanted.mean(dim=(0, 2, 3), keepdim=True)).square().mean()
    assert (1.0 - ours / spread).item() == pytest.approx(share.item(), abs=1e-4)


def test_the_kept_variance_is_what_the_best_directions_have() -> None:
    """One output channel varies with deviation 3, another with 1, and nothing else does."""
    whole = nn.Conv2d(2, 2, 1, bias=False)
    with torch.no_grad():
        whole.weight.copy_(torch.diag(torch.tensor([3.0, 1.0]))[:, :, None, None])
    # All four corners of a square: uncorrelated, of equal variance.
    entering = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])[:, :, None, None]
    factorised = FactorisedConvolution(2, 2, 1)
    assert factorised.approximate(whole, entering).item() == pytest.approx(0.9)
    made = factorised.widen(factorised.narrow(entering))[:, :, 0, 0]
    torch.testing.assert_close(made[:, 0], torch.tensor([3.0, 3, -3, -3]))
    torch.testing.assert_close(made[:, 1], torch.zeros(4))


@pytest.mark.parametrize(("width", "height"), [(224, 224), (256, 192)])
def test_a_place_stands_for_32_by_32_pixels(width: int, height: int) -> None:
    rows, columns = height // 32, width // 32
    stems, tails = Stems().eval(), Tails().eval()
    with torch.inference_mode():
        extractor, classifier = stems(torch.zeros((1, height, width, 3), dtype=torch.uint8))
        assert extractor.shape == (1, 512, rows, columns)
        assert classifier.shape == (1, 320, rows, columns)
        parts = tails(extractor, classifier)
    assert [part.shape[1:] for part in parts] == [
        (EXTRACTOR_FEATURES, rows, columns),
        (FEATURES, rows, columns),
    ]
    assert means(parts).shape == (1, WIDTH)
    for part in parts:
        assert 0.0 <= part.min() <= part.max() <= 6.0


def test_means_are_taken_over_places_backbone_after_backbone() -> None:
    first = torch.tensor([[[[1.0, 3.0]], [[5.0, 5.0]]]])
    second = torch.tensor([[[[2.0, 10.0]]]])
    assert means([first, second]).tolist() == [[2.0, 5.0, 6.0]]


@pytest.mark.realdata
def test_stems_and_tails_start_as_the_pretrained_networks(shared_data: Path) -> None:
    """The classifier's half exactly; the extractor's within what its narrow factors lose."""
    models = shared_data.parent / "models"
    photographs = captioned(shared_data / "flickr8k", "dev")[:24]
    pixels = torch.from_numpy(np.stack([seen(shown.path, "whole") for shown in photographs]))
    v1, v2 = MobileNetV1(1.0).eval(), MobileNetV2().eval()
    fill(products(v1), models / TEACHERS["extractor"].file)
    fill(products(v2), models / TEACHERS[CLASSIFIER].file)
    with torch.inference_mode():
        stems, tails, classes = started(models)
        entering, other = stems(pixels)
        # Rows are places: 20 photographs have 980, more than the ranks.
        _, tails, classes = started(models, entering[:20].clone())
        extractor, classifier = tails.eval()(entering[20:], other[20:])
        # The padding stands for a pixel of 128 in place of 127, which two edges notice a little.
        maps = v2.first((pixels[20:].permute(0, 3, 1, 2).to(torch.float32) - 127.0) / 127.5)
        for block in v2.blocks:
            maps = block(maps)
        own = v2.last(maps).mean(dim=(2, 3))
        assert functional.cosine_similarity(classifier.mean(dim=(2, 3)), own).min() > 0.999
        wanted = v1(pixels[20:]).mean(dim=(2, 3))
        cosines = functional.cosine_similarity(extractor.mean(dim=(2, 3)), wanted)
    # Twenty photographs are few to fit to; the training takes six hundred.
    assert cosines.min() > 0.8
    assert classes.weight.shape == (1001, FEATURES)
    assert not any(part.requires_grad for part in stems.parameters())
    assert all(part.requires_grad for part in tails.parameters())
