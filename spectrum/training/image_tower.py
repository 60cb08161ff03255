"""The shipped image tower, put together from its parts."""

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from spectrum.training.backbone import Stems
from spectrum.training.heads import Standardised, Whitening, joined
from spectrum.training.naming import NamedClasses, ReducedClassifier
from spectrum.training.student import Student
from spectrum.training.visual_vector import VisualVector


@torch.no_grad()
def token_heads(standardised: Standardised, whitening: Whitening) -> nn.ModuleList:
    """Standardisation and whitening as one pointwise convolution for each block of features.

        W (x - m) / d + b  =  (W / d) x + (b - W (m / d))

    What is left out is the clamping, which ordinary photographs hardly meet.
    """
    heads = nn.ModuleList()
    parts = zip(
        whitening.linear,
        torch.split(standardised.mean, list(whitening.blocks)),
        torch.split(standardised.deviation, list(whitening.blocks)),
        strict=True,
    )
    for project, mean, deviation in parts:
        head = nn.Conv2d(project.in_features, project.out_features, 1)
        weight = project.weight / deviation
        head.weight.copy_(weight[:, :, None, None])
        assert head.bias is not None
        head.bias.copy_(project.bias - weight @ mean)
        heads.append(head)
    return heads


class ImageTower(nn.Module):
    """Photographs to a semantic vector, a visual vector, and a grid of tokens."""

    def __init__(
        self,
        stems: Stems,
        student: Student,
        classes: ReducedClassifier,
        labels: nn.Linear,
        named: NamedClasses,
        visual: VisualVector,
    ) -> None:
        super().__init__()
        self.stems = stems
        self.tails = student.tails
        self.tokens = token_heads(student.standardised, student.whitening)
        self.standardised = student.standardised
        self.captions = student.captions
        self.classes = classes
        self.labels = labels
        self.named = named
        self.visual = visual

    def forward(self, pixels: UInt8[Tensor, "B H W 3"]) -> tuple[Tensor, Tensor, Tensor]:
        """Semantic B D, visual B V, tokens B P h w, of 8-bit RGB; H and W multiples of 32.

        The visual vector has both backbones' whitened means and the directions that tell the
        classifier's classes apart. A token is a local feature in the whitened directions.
        """
        parts = self.tails(*self.stems(pixels))
        grids = [head(part) for head, part in zip(self.tokens, parts, strict=True)]
        pooled = [part.mean(dim=(2, 3), keepdim=True) for part in parts]
        # The same directions for the means, in float32: whitening makes small errors large.
        blocks = [head(part) for head, part in zip(self.tokens, pooled, strict=True)]
        whitened = torch.cat(blocks, dim=1).flatten(1)
        classified = pooled[1].flatten(1)
        logits = [self.classes(classified), self.labels(whitened)]
        nouns = self.named(torch.cat(logits, dim=1))
        captions = self.captions(self.standardised(torch.cat(pooled, dim=1).flatten(1)))
        semantic = joined(captions, nouns, self.named.naming.share)
        visual = self.visual(whitened, self.classes.directions(classified))
        return semantic, visual, torch.cat(grids, dim=1)
