"""Writes the trained captioner as the two files that ship."""

import copy
import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from spectrum.captioners.vocabulary import Vocabulary
from spectrum.training import export
from spectrum.training.caption_material import Reduction
from spectrum.training.captioner import CaptionNetwork

LICENCE = "research only: trained on Flickr8k, whose photographs are not openly licensed"
INPUTS = (
    "tokens",
    "semantic",
    "image_keys",
    "image_values",
    "past_keys",
    "past_values",
    "words",
)
OUTPUTS = ("image_keys_made", "image_values_made", "log_probs", "keys", "values")
EXAMPLE_SENTENCES, EXAMPLE_WORDS = 3, 4


class DecoderGraph(nn.Module):
    """Both things that the captioner computes in one graph, so that both share one file.

    The image's keys and values come out of the grid; a step takes them in again. ONNX Runtime
    computes only what is asked for.
    """

    def __init__(self, network: CaptionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        tokens: Tensor,
        semantic: Tensor,
        image_keys: Tensor,
        image_values: Tensor,
        past_keys: Tensor,
        past_values: Tensor,
        words: Tensor,
    ) -> tuple[Tensor, ...]:
        made = self.network.image_caches(tokens, semantic)
        step = self.network.step((image_keys, image_values), (past_keys, past_values), words)
        return (*made, *step)


def decoder_program(network: CaptionNetwork) -> torch.onnx.ONNXProgram:
    """The network as an ONNX program: one image, any number of sentences of any length."""
    shape = network.shape
    part = shape.width // shape.heads
    cells = network.reader.places.shape[0]
    image = torch.zeros(shape.layers, 1, shape.heads, cells, part)
    past = torch.zeros(shape.layers, EXAMPLE_SENTENCES, shape.heads, EXAMPLE_WORDS, part)
    example = (
        torch.zeros(1, cells - 1, network.reader.cells.in_features),
        torch.zeros(1, network.reader.semantic.in_features),
        image,
        image.clone(),
        past,
        past.clone(),
        torch.ones(EXAMPLE_SENTENCES, dtype=torch.int64),
    )
    count, length = torch.export.Dim("sentences"), torch.export.Dim("said")
    said = {1: count, 3: length}
    program = torch.onnx.export(
        DecoderGraph(network).eval(),
        example,
        input_names=list(INPUTS),
        output_names=list(OUTPUTS),
        dynamic_shapes=(None, None, None, None, said, said, {0: count}),
        dynamo=True,
        verbose=False,
    )
    if program is None:
        raise RuntimeError("torch made no ONNX program for the captioner")
    return program


def write_captioner(
    network: CaptionNetwork,
    vocabulary: Vocabulary,
    weights: Path,
    *,
    length_power: float = 0.0,
    confidence: tuple[float, float] = (0.0, 1.0),
    licence: str = LICENCE,
    reduction: Reduction | None = None,
) -> None:
    """Writes captioner.onnx and captioner.json beside the image tower that it learnt from.

    `length_power` is how a beam's sentences are ranked, see `spectrum.captioners.decoding`;
    `confidence` the offset and slope from a sentence's mean log-probability.
    `reduction` is what was done to the tokens that the network was trained on; it is folded into
    the network's first map, so that the file reads the tower's own tokens.
    """
    whole = copy.deepcopy(network).eval()
    if reduction is not None:
        whole.reader.unfold(reduction)
    model = export.halved(decoder_program(whole).model_proto)
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
    model.doc_string = ""
    (weights / "captioner.onnx").write_bytes(model.SerializeToString(deterministic=True))
    tower = (weights / "image_tower.onnx").read_bytes()
    shape = whole.shape
    said = {
        "layers": shape.layers,
        "heads": shape.heads,
        "head_width": shape.width // shape.heads,
        "rows": whole.reader.places.shape[0],
        "longest": shape.longest,
        "length_power": length_power,
        "confidence_offset": confidence[0],
        "confidence_slope": confidence[1],
        "licence": licence,
        "image_tower_hash": hashlib.blake2b(tower, digest_size=16).hexdigest(),
        "weights_hash": export.weights_hash(weights, ["captioner.onnx"]),
        "words": list(vocabulary.words),
    }
    text = json.dumps(said, ensure_ascii=False, separators=(",", ": ")) + "\n"
    (weights / "captioner.json").write_text(text, encoding="utf-8")
