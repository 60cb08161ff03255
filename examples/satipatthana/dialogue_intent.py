"""What does the caller want, and is it anything we do?

Intents of a dialogue: a Transformer adapter on token numbers, no augmenter, a refiner for each
probe, a conditional decoder. Sentences are made from templates. In the test some ask for other
things and should be rejected: in words never heard, or in known words never heard together.

python examples/satipatthana/dialogue_intent.py
"""

import torch
from plain import auroc, of_size, print_table, size, steps_taken, system_size, train
from templates import KNOWN, NEW_WORDS, OLD_WORDS, sentences
from torch import Tensor, nn

from satipatthana.configs import (
    AugmenterConfig,
    AugmenterType,
    CurriculumConfig,
    DecoderConfig,
    PathMix,
    SamathaConfig,
    StageConfig,
    SystemConfig,
    VitakkaConfig,
    create_adapter_config,
    create_vicara_config,
)
from satipatthana.curriculum import fit
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import FeatureShuffleVoid, MixedVoid, VoidDataset

SEED = 0
LENGTH, NEVER_HEARD = 16, 1
SAID, INTENT = sentences(2000, KNOWN, seed=SEED + 100)
NUMBERS = {word: n for n, word in enumerate(sorted({w for s in SAID for w in s.split()}), start=2)}
VOCABULARY_SIZE = len(NUMBERS) + 2


def tokens(said: list[str]) -> Tensor:
    """Token numbers, 0 behind the last word."""
    rows = [[NUMBERS.get(word, NEVER_HEARD) for word in one.split()] for one in said]
    return torch.tensor([row + [0] * (LENGTH - len(row)) for row in rows])


def spliced(count: int, seed: int) -> VoidDataset:
    """Sentences that begin with one intent and end with another."""
    chance = torch.Generator().manual_seed(seed)
    pairs = torch.randint(len(SAID), (2 * count, 2), generator=chance)
    pairs = pairs[INTENT[pairs[:, 0]] != INTENT[pairs[:, 1]]][:count].tolist()
    words = [(SAID[one].split(), SAID[other].split()) for one, other in pairs]
    halves = [one[: len(one) // 2 + 1] + other[len(other) // 2 :] for one, other in words]
    return VoidDataset(tokens([" ".join(half[:LENGTH]) for half in halves]))


class PlainTransformer(nn.Module):
    """The plain one: an encoder of two layers, the mean of its states, a perceptron."""

    def __init__(self, width: int) -> None:
        super().__init__()
        width = 4 * (width // 4)
        self.embedding = nn.Embedding(VOCABULARY_SIZE, width, padding_idx=0)
        self.positions = nn.Parameter(0.02 * torch.randn(LENGTH, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.answer = nn.Linear(width, len(KNOWN))

    def forward(self, x: Tensor) -> Tensor:
        heard = (x != 0).unsqueeze(2)
        hidden = self.encoder(self.embedding(x) + self.positions, src_key_padding_mask=x == 0)
        answer: Tensor = self.answer((hidden * heard).sum(dim=1) / heard.sum(dim=1))
        return answer


CONFIG = SystemConfig(
    samatha=SamathaConfig(
        adapter=create_adapter_config(
            "transformer", length=LENGTH, vocabulary_size=VOCABULARY_SIZE, width=32, latent_dim=8
        ),
        augmenter=AugmenterConfig(type=AugmenterType.IDENTITY),
        vitakka=VitakkaConfig(num_probes=len(KNOWN)),
        vicara=create_vicara_config(
            "probe_specific", latent_dim=8, hidden_dim=32, num_probes=len(KNOWN)
        ),
        max_steps=6,
    ),
    decoder=DecoderConfig(kind="conditional", hidden_dims=(64,)),
    task="classification",
    use_label_guidance=True,
    recon_hidden_dims=(128,),
)
CURRICULUM = CurriculumConfig(
    adapter=StageConfig(max_epochs=4, learning_rate=3e-3),
    samatha=StageConfig(max_epochs=18, patience=10, learning_rate=3e-3),
    vipassana=StageConfig(max_epochs=12, patience=5, learning_rate=3e-3),
    decoder=StageConfig(max_epochs=15, learning_rate=3e-3),
    recon_weight=1.0,
    guidance_weight=0.5,
    path_mix=PathMix(augmented=0.0),
    seed=SEED,
)


def main() -> None:
    x = tokens(SAID)
    chance = torch.Generator().manual_seed(SEED)
    shuffled = FeatureShuffleVoid(x, 1000, generator=chance, shares=(0.2, 0.6))
    void = MixedVoid([shuffled, spliced(1000, seed=SEED)], generator=chance)

    torch.manual_seed(SEED)
    system = SatipatthanaSystem(CONFIG, output_dim=len(KNOWN))
    history = fit(system, x, INTENT, void=void, config=CURRICULUM)

    plain = of_size(system_size(system), PlainTransformer)
    plain = train(plain, x, INTENT, nn.functional.cross_entropy, steps_taken(history, len(x)))

    said, intent = sentences(1000, KNOWN, seed=SEED + 200)
    x = tokens(said)
    with torch.no_grad():
        answers = (system(x).output, plain(x))
    right = [(answer.argmax(dim=1) == intent).float() for answer in answers]

    def scores(said: list[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Confidence, the plain one's largest probability, and trust."""
        x, judged = tokens(said), system.score(tokens(said))
        certainty = plain(x).softmax(dim=1).amax(dim=1)
        return judged.confidence_score[:, 0], certainty, judged.trust_score[:, 0]

    known = scores(said)
    rows: list[tuple[object, ...]] = [
        ("parameters", system_size(system), size(plain)),
        ("accuracy, known intents", *(float(each.mean()) for each in right)),
    ]
    for name, intents in (("new words", NEW_WORDS), ("known words", OLD_WORDS)):
        unknown = scores(sentences(500, intents, seed=SEED + 300)[0])
        pairs = list(zip(known, unknown, strict=True))
        accepted = [(bad >= good.quantile(0.05)).float().mean() for good, bad in pairs]
        rows += [
            (f"AUROC, other intents in {name}", *(auroc(*pair) for pair in pairs[:2])),
            (f"AUROC of trust alone, {name}", auroc(*pairs[2]), "-"),
            (f"accepted with 95 % of the known, {name}", *map(float, accepted[:2])),
        ]
    print_table(("intents", "Satipatthana", "plain Transformer, largest probability"), rows)


if __name__ == "__main__":
    main()
