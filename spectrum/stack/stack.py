"""The story of refinement: read an image's grid, describe it, then look at its neighbourhood."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from spectrum.arguments import require_neighbourhoods, require_shape
from spectrum.castle.module import Castle
from spectrum.harmony.fusion import LevelFusion
from spectrum.nexus.module import Nexus
from spectrum.oracle.module import Oracle
from spectrum.prism.module import Prism
from spectrum.stack.config import LAYERS, PER_IMAGE, TASKS, Layer, StackConfig
from spectrum.stack.integration import integrated_features, layer_weights
from spectrum.stack.levels import Description, visual_levels
from spectrum.stack.memory import Memory
from spectrum.stack.protocol import MODULES, Module


class Grids(NamedTuple):
    """What a batch of images is read from, beside its vectors."""

    tokens: Float[Tensor, "B Y X C"]
    boxes: Float[Tensor, "B K 4"]
    """Where objects may be, shares of the frame."""
    object_mask: Bool[Tensor, "B K"]
    """True = a real box."""
    pooled: Float[Tensor, "B P"] | None = None
    """What `Nexus.hierarchy` makes of the tokens, their mean, where it is known already: training
    keeps it while the windows stay as they are, which is most of its time."""
    own: Int64[Tensor, " B"] | None = None
    """Rows of the memory that are these very images, -1 for none: they don't see themselves."""


class Readings(NamedTuple):
    """What each module says of images by themselves, in the space of texts; unit length."""

    nexus: Float[Tensor, "B S"]
    oracle: Float[Tensor, "B S"]
    harmony: Float[Tensor, "B S"]
    prompts: Float[Tensor, "B S"]
    """P of PRISM 2.1d."""
    descriptions: Float[Tensor, "B S"]
    """E^T of PRISM 2.1b: remembered, or read off the image's levels where nothing is."""


class Gates(nn.Module):
    """f_i of 6.2a: for each task one linear map of the vector at hand; constant before training."""

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.maps = nn.ModuleDict({task: nn.Linear(config.width, len(LAYERS)) for task in TASKS})
        starts = (config.semantic_start, config.visual_start)
        with torch.no_grad():
            for linear, start in zip(self.maps.values(), starts, strict=True):
                assert isinstance(linear, nn.Linear)
                linear.weight.zero_()
                linear.bias.copy_(torch.tensor([math.log(start[layer]) for layer in LAYERS]))

    def forward(self, features: Float[Tensor, "B D"]) -> Float[Tensor, "T B L"]:
        return torch.stack([linear(features) for linear in self.maps.values()])


class Stack(nn.Module):
    r"""The five modules over an image and its neighbourhood, integrated by 6.1a in two phases.

    Stored vectors are F = [semantic; visual]. Words ask the semantic block and images the visual
    one, so that each block is integrated with the weights of its own task (reading 4 and 6.2a).

        phase 1, an image by itself      F~ = sum over encoder, nexus, oracle, harmony of w_i F_i
        phase 2, among its neighbours    F' = (w_encoder + w_nexus + w_oracle + w_harmony) F~
                                              + w_castle F_castle + w_prism F_prism

    which is 6.1a, but that CASTLE and PRISM look at F~ of the neighbours and not at F. Each block
    has unit length after each phase. A module that is left out has weight 0, and the others share
    what it had; without any of them F' is F.
    """

    def __init__(self, config: StackConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.fusion.visual_widths
        self.description = Description(widths, config.semantic_width, config.dropout)
        self.memory = Memory(config.visual_width, config.semantic_width, config.remembered)
        self.castle = Castle(config.castle)
        self.prism = Prism(config.prism)
        self.nexus = Nexus(config.nexus)
        self.oracle = Oracle(config.oracle)
        self.fusion = LevelFusion(config.fusion)
        for network in self.fusion.networks:
            assert isinstance(network, nn.Sequential)
            assert isinstance(network[-1], nn.Linear)
            # Fused levels start as the description; only the last layer is 0, so they are open.
            nn.init.zeros_(network[-1].weight)
            nn.init.zeros_(network[-1].bias)
        self.gates = Gates(config)
        self.dropout = nn.Dropout(config.dropout)

    def readings(
        self,
        features: Float[Tensor, "B D"],
        grids: Grids,
        modules: tuple[Module, ...] = MODULES,
    ) -> Readings:
        """What each module makes of images by themselves. ValueError for widths of others.

        One that is left out costs nothing: in its place stands the encoder's semantic block.
        """
        semantic, visual = self._blocks(features)
        made = Readings(semantic, semantic, semantic, semantic, semantic)
        if "nexus" in modules:
            made = made._replace(nexus=_unit(self._nexus(semantic, grids)))
        if "oracle" in modules:
            made = made._replace(oracle=_unit(self._oracle(semantic, grids)))
        if "harmony" in modules or "prism" in modules:
            levels = self.description.levels(visual_levels(visual, grids.tokens))
            read = self.description(levels)
            remembered = self.memory(visual, self.config.memory_temperature, grids.own)
            described = remembered if self.config.remembered else read
            made = made._replace(descriptions=described)
            if "harmony" in modules:
                fused = self.fusion(levels, [described] * len(levels))
                made = made._replace(harmony=_unit(read + fused))
            if "prism" in modules:
                made = made._replace(prompts=_unit(self.prism.prompts(semantic, described)))
        return made

    def _oracle(self, semantic: Float[Tensor, "B S"], grids: Grids) -> Float[Tensor, "B S"]:
        # Whole channels, so that an object cannot say by its neighbour what was left out of it.
        kept = self.dropout(torch.ones_like(grids.tokens[:, :1, :1]))
        objects = self.oracle.objects(grids.tokens * kept, grids.boxes)
        moved: Tensor = self.oracle(
            objects[:, None], grids.boxes, grids.object_mask[:, None], semantic
        )
        return semantic + moved

    def _nexus(self, semantic: Float[Tensor, "B S"], grids: Grids) -> Float[Tensor, "B S"]:
        if grids.pooled is None:
            moved: Tensor = self.nexus(grids.tokens, semantic)
            return semantic + moved
        read: Tensor = self.nexus.readout(self.dropout(grids.pooled))
        return read

    def local(
        self,
        features: Float[Tensor, "B D"],
        readings: Readings,
        modules: tuple[Module, ...] = MODULES,
    ) -> Float[Tensor, "B D"]:
        """F~, phase 1. The visual block stays as it is: the modules read what words ask for."""
        semantic, visual = self._blocks(features)
        layers: tuple[Layer, ...] = ("encoder", *(name for name in PER_IMAGE if name in modules))
        if len(layers) == 1:
            return features
        weights = layer_weights(self.gates(features)[0], layer_mask(layers))
        read = {"encoder": semantic, **readings._asdict()}
        kept = [LAYERS.index(layer) for layer in layers]
        made = integrated_features(torch.stack([read[layer] for layer in layers]), weights[:, kept])
        return torch.cat([_unit(made), visual], dim=-1)

    def refined(
        self,
        local: Float[Tensor, "B M D"],
        prompts: Float[Tensor, "B M S"],
        member_mask: Bool[Tensor, "B M"],
        modules: tuple[Module, ...] = MODULES,
    ) -> Float[Tensor, "B D"]:
        """F', phase 2, of each anchor: member 0. ValueError where it is not real."""
        require_neighbourhoods(local, member_mask, self.config.width, "SPECTRUM")
        anchors, scales = local[:, 0], self.block_scales
        likeness = local * scales
        moved: dict[Layer, Tensor] = {}
        if "castle" in modules:
            moved["castle"] = _unscaled(self.castle(likeness, member_mask), scales)
        if "prism" in modules:
            told = prompts * scales[: self.config.semantic_width]
            moved["prism"] = _unscaled(self.prism(likeness, told, member_mask), scales)
        if not moved:
            return anchors
        weights = self.task_weights(anchors, modules)
        blocks = []
        width = self.config.semantic_width
        for task, block in enumerate((slice(0, width), slice(width, None))):
            if anchors[:, block].shape[-1] == 0:
                continue
            counted = [weights[task, :, LAYERS.index(name)] for name in moved]
            stays = anchors[:, block]
            made = [stays + delta[:, block] for delta in moved.values()]
            joined = integrated_features(
                torch.stack([stays, *made]),
                torch.stack([1 - torch.stack(counted).sum(dim=0), *counted], dim=-1),
            )
            blocks.append(_unit(joined))
        return torch.cat(blocks, dim=-1)

    @property
    def block_scales(self) -> Float[Tensor, " D"]:
        """[sqrt(1 - omega); sqrt(omega)]: times a stored vector it has unit length.

        Inner products of such vectors are how alike images are; neighbours are found by them.
        """
        config = self.config
        visual = config.visual_weight if config.visual_width else 0.0
        shares = [(1 - visual, config.semantic_width), (visual, config.visual_width)]
        return torch.cat([torch.full((width,), math.sqrt(share)) for share, width in shares])

    def task_weights(
        self, features: Float[Tensor, "B D"], modules: tuple[Module, ...] = MODULES
    ) -> Float[Tensor, "T B L"]:
        """w of 6.2a for both tasks, in the order of `TASKS` and `LAYERS`."""
        mask = layer_mask(("encoder", *modules))
        return torch.stack([layer_weights(logits, mask) for logits in self.gates(features)])

    def _blocks(
        self, features: Float[Tensor, "B D"]
    ) -> tuple[Float[Tensor, "B S"], Float[Tensor, "B V"]]:
        require_shape(features, "features", (len(features), self.config.width))
        width = self.config.semantic_width
        return features[:, :width], features[:, width:]


def layer_mask(layers: tuple[Layer, ...]) -> Bool[Tensor, " L"]:
    """True for the layers that take part, in the order of `LAYERS`."""
    return torch.tensor([layer in layers for layer in LAYERS])


def _unscaled(moved: Float[Tensor, "B D"], scales: Float[Tensor, " D"]) -> Float[Tensor, "B D"]:
    """In stored vectors again; a block that counts nothing in likeness does not move."""
    counted = scales > 0
    return torch.where(counted, moved / scales.where(counted, 1.0), 0.0)


def _unit(vectors: Float[Tensor, "*N D"]) -> Float[Tensor, "*N D"]:
    return functional.normalize(vectors, dim=-1)
