"""The control without context: all that can be learned of a photograph by itself.

A perceptron reads everything that the stack is given of a photograph (its vectors, the mean and the
largest of its grid) and moves its semantic vector, taught by the stack's own objective on the same
photographs, captions and held-out share. It sees no neighbours, no remembered photographs and no
module: what SPECTRUM finds beyond it is what these bring.
"""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.refinement.captions import seen_features
from benchmarks.refinement.material import Captioned, Photographs
from indexer.banks import HUBNESSES
from spectrum.encoders import Encoder
from spectrum.stack.hubness import hubness, nearest_count
from spectrum.stack.lexicon import Lexicon, text_questions
from spectrum.stack.material import CaptionedImages, View
from spectrum.stack.objectives import module_loss
from spectrum.stack.protocol import Refined
from spectrum.training.caption_material import gathered
from spectrum.training.embedded_stack import REFERENCE_TEXTS, TRAINING, captioned_images

EPOCHS, HIDDEN, RATE = 30, 512, 1e-3


class Control(nn.Module):
    """s + FFN([s; what is seen]), of unit length; the last layer starts at 0."""

    def __init__(self, seen: np.ndarray, semantic: int, dropout: float = 0.6) -> None:
        super().__init__()
        self.middle = nn.Buffer(torch.from_numpy(seen.mean(axis=0)))
        self.spread = nn.Buffer(torch.from_numpy(seen.std(axis=0) + 1e-6))
        self.layers = nn.Sequential(
            nn.Dropout(dropout / 2),
            nn.Linear(seen.shape[1] + semantic, HIDDEN),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(HIDDEN, semantic),
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, semantic: Tensor, seen: Tensor) -> Tensor:
        evened = (seen - self.middle) / self.spread
        scaled = semantic * semantic.shape[1] ** 0.5
        return functional.normalize(semantic + self.layers(torch.cat([scaled, evened], dim=1)))


def taught(material: CaptionedImages) -> Control:
    """The epoch that held-out photographs like best, held out as the stack holds them out."""
    torch.manual_seed(TRAINING.seed)
    semantic = material.captions.shape[2]
    views = [
        (torch.from_numpy(view.features[:, :semantic]), torch.from_numpy(_seen(view, semantic)))
        for view in material.views
    ]
    captions = torch.from_numpy(material.captions)
    rows = torch.arange(len(captions))
    held = rows % TRAINING.validation == TRAINING.validation - 1
    learned, held = rows[~held], rows[held]
    control = Control(views[0][1].numpy(), semantic)
    temperature = nn.Parameter(torch.tensor(TRAINING.temperature_start).log())
    optimiser = torch.optim.AdamW([*control.parameters(), temperature], RATE, weight_decay=0.05)
    best, least = copy.deepcopy(control), float("inf")
    for epoch in range(EPOCHS):
        control.train()
        for some in torch.split(learned[torch.randperm(len(learned))], TRAINING.batch):
            base, seen = views[epoch % len(views)]
            loss = module_loss(control(base[some], seen[some]), captions[some], temperature.exp())
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        control.eval()
        with torch.no_grad():
            made = control(*(part[held] for part in views[0]))
            loss = module_loss(made, captions[held], TRAINING.temperature_start)
        if float(loss) < least:
            best, least = copy.deepcopy(control), float(loss)
    return best


def controlled(
    encoder: Encoder, shared: Path, work: Path, dev: Captioned, lexicon: Lexicon | None
) -> dict[str, tuple[Refined, np.ndarray]]:
    """The control's vectors of dev, and what captions ask them with; with words and without."""
    material = captioned_images(encoder, gathered(encoder, shared, work))
    control = taught(material)
    given = dev.photographs
    with torch.no_grad():
        moved = control(torch.from_numpy(given.semantic), torch.from_numpy(seen_features(given)))
    vectors = np.concatenate([moved.numpy(), given.visual], axis=1)
    sentences = material.captions.reshape(-1, material.captions.shape[2])
    texts = [text for own in material.texts for text in own]
    some = np.random.default_rng(0).choice(len(texts), REFERENCE_TEXTS, replace=False)
    rows = {}
    for name, known in {
        "control without context": None,
        "control without context, asked by words too": lexicon,
    }.items():
        width = vectors.shape[1]
        bank = text_questions(known, [texts[i] for i in some], sentences[some], width)
        asked = torch.from_numpy(np.ascontiguousarray(bank[:, :width]))
        among = hubness(torch.from_numpy(vectors), asked, nearest_count(len(bank)))
        hubs = np.repeat(among.numpy()[:, None], HUBNESSES, axis=1)
        own = dev.captions.reshape(-1, dev.captions.shape[-1])
        rows[name] = Refined(vectors, hubs), text_questions(known, dev.texts, own, width)
    return rows


def _seen(view: View, semantic: int) -> np.ndarray:
    blocks = view.features[:, :semantic], view.features[:, semantic:]
    return seen_features(Photographs(*blocks, tuple(view.tokens)))
