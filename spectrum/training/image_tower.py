"""The shipped image tower, put together from its parts."""

from torch import Tensor, nn

from spectrum.training.heads import CaptionHead, Standardised, Whitening, joined
from spectrum.training.mobilenet import MobileNetV2
from spectrum.training.naming import NamedClasses


class ImageTower(nn.Module):
    """Photographs to a semantic vector, a visual vector, and tokens."""

    def __init__(
        self,
        backbone: MobileNetV2,
        standardised: Standardised,
        head: CaptionHead,
        whitening: Whitening,
        named: NamedClasses,
        share: float,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.standardised = standardised
        self.head = head
        self.whitening = whitening
        self.named = named
        self.share = share

    def vectors(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Semantic B D and visual B P vectors of pooled features B F."""
        standardised = self.standardised(pooled)
        whitened = self.whitening.project(standardised)
        semantic = joined(self.head(standardised), self.named(whitened), self.share)
        return semantic, nn.functional.normalize(whitened, dim=-1)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Semantic B D, visual B P, local features B F h w, of 8-bit RGB B 224 224 3."""
        maps = self.backbone(pixels)
        semantic, visual = self.vectors(maps.mean(dim=(2, 3)))
        return semantic, visual, maps
