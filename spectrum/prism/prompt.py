"""PRISM 2.1: what is said of an image, as a vector beside the image's own."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from spectrum.arguments import require_pairs

Prepared = TypeVar("Prepared")
Rows = Tensor | NDArray[np.floating[Any]]
"""One vector a row, as the models give them: of torch, or of numpy."""


class Sentence(Protocol):
    """What a captioner says of one image."""

    @property
    def text(self) -> str: ...


def semantic_descriptions(
    images: Sequence[Prepared], captioner: Callable[[Sequence[Prepared]], Sequence[Sentence]]
) -> list[str]:
    r"""What a captioner says of each image.

    PRISM 2.1a:  T_i = M(I_i)

        paper   here        kind
        I       images      prepared by the captioner's own `prepare`
        M       captioner   a captioner's `caption`
        T       returned    one sentence an image; empty where the captioner has nothing to say

    ValueError where the captioner does not say one sentence an image.
    Departure: none.  Reference loop: tests/references/prism.py
    """
    sentences = captioner(images)
    _require_one_each(len(images), "images", len(sentences), "captioner", "sentences")
    return [sentence.text for sentence in sentences]


def textual_embeddings(
    descriptions: Sequence[str], encoder: Callable[[Sequence[str]], Rows]
) -> Float[Tensor, "N S"]:
    r"""The vector of each description.

    PRISM 2.1b:  E^T_i = E_T(T_i)

        paper   here           shape
        T       descriptions   N texts
        E_T     encoder        an encoder's `encode_texts`
        E^T     returned       N S

    ValueError where the encoder does not make one vector a text.
    Departure: none.  Reference loop: tests/references/prism.py
    """
    rows = _tensor(encoder(descriptions))
    _require_one_each(len(descriptions), "descriptions", len(rows), "encoder", "vectors")
    return rows


def visual_embeddings(
    images: Sequence[Prepared], encoder: Callable[[Sequence[Prepared]], Rows]
) -> Float[Tensor, "N S"]:
    r"""The vector of each image, in the space of the texts.

    PRISM 2.1c:  E^V_i = E_V(I_i)

        paper   here       shape
        I       images     N, prepared by the encoder's own `prepare`
        E_V     encoder    an encoder's `encode_images`, its semantic block
        E^V     returned   N S

    ValueError where the encoder does not make one vector an image.
    Departure: none.  Reference loop: tests/references/prism.py
    """
    rows = _tensor(encoder(images))
    _require_one_each(len(images), "images", len(rows), "encoder", "vectors")
    return rows


def prompt_embeddings(
    visual: Float[Tensor, "*N S"],
    textual: Float[Tensor, "*N S"],
    network: Callable[[Tensor], Tensor],
) -> Float[Tensor, "*N S"]:
    r"""An image's vector and its description's, joined: the semantic prompt.

    PRISM 2.1d:  P_i = FFN( [E^V_i; E^T_i] )

        paper   here       shape
        E^V     visual     *N S
        E^T     textual    *N S
        FFN     network    *N 2S -> *N S
        P       returned   *N S

    ValueError where there are not as many texts as images, or none.
    Departure: none.  Reference loop: tests/references/prism.py
    """
    require_pairs(visual, "visual", textual, "textual")
    return network(torch.cat([visual, textual], dim=-1))


def _tensor(rows: Rows) -> Tensor:
    # torch.as_tensor would share memory with, and warn of, an array that may not be written.
    return rows if isinstance(rows, Tensor) else torch.tensor(rows)


def _require_one_each(wanted: int, of: str, made: int, maker: str, what: str) -> None:
    if made != wanted:
        raise ValueError(f"the {maker} made {made} {what} of {wanted} {of}: it must make one each")
