"""How close written captions are to people's: BLEU-4 by sacrebleu, CIDEr-D by pycocoevalcap.

Both packages belong to the `train` extra and are imported where they are used.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from jaxtyping import Float

from spectrum.captioners.vocabulary import spelled
from spectrum.training.estimates import RESAMPLES, Estimate, estimate


class Bleu:
    """Corpus BLEU-4 of captions against several references each, in [0, 1].

    Papineni et al., ACL 2002, as sacrebleu computes it: lower case, 13a tokens, its default
    smoothing (Post, WMT 2018). Each image may have another number of references.
    """

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        from sacrebleu.metrics.bleu import BLEU

        self._references = references
        # By force: Flickr8k's captions end in " .", which sacrebleu would warn of.
        self._corpus = BLEU(
            lowercase=True, tokenize="13a", force=True, references=list(zip_longest(*references))
        )
        # Of single captions only the counts are read, which the effective order does not change.
        self._single = BLEU(lowercase=True, tokenize="13a", force=True, effective_order=True)

    @property
    def signature(self) -> str:
        """What sacrebleu needs to compute the same again: references, tokens, version."""
        return str(self._corpus.get_signature())

    def estimate(self, written: Sequence[str]) -> Estimate:
        """The measure, and its 95 % interval over images.

        Percentile bootstrap, seed 0: images are drawn with replacement and their counts summed
        before the measure is computed, since a corpus measure is no mean of single ones
        (Koehn, EMNLP 2004). Raises ValueError if there are not as many captions as images.
        """
        _check_count(written, self._references)
        counts = []
        for text, others in zip(written, self._references, strict=True):
            one = self._single.sentence_score(text, others)
            counts.append([one.sys_len, one.ref_len, *one.counts, *one.totals])
        draws = np.random.default_rng(0).multinomial(
            len(counts), np.full(len(counts), 1.0 / len(counts)), size=RESAMPLES
        )
        drawn = [
            self._corpus.compute_bleu(
                correct=row[2:6],
                total=row[6:],
                sys_len=row[0],
                ref_len=row[1],
                smooth_method=self._corpus.smooth_method,
            ).score
            for row in (draws @ np.array(counts)).tolist()
        ]
        low, high = np.percentile(drawn, [2.5, 97.5]) / 100.0
        value = self._corpus.corpus_score(written, None).score / 100.0
        return Estimate(float(value), float(low), float(high))


class Cider:
    """CIDEr-D of captions against references that stay the same, in units of 1 as papers have it.

    Vedantam et al., CVPR 2015, as pycocoevalcap's `Cider` computes it; a word sequence counts for
    less the more of these images' references hold it.

    Departure: pycocoevalcap's own programs cut words with the Penn Treebank tokenizer, which needs
    Java. Here words are `vocabulary.spelled`: lower case, punctuation dropped, hyphens and
    apostrophes inside a word kept.
    """

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        self._references = {
            image: [_spaced(text) for text in texts] for image, texts in enumerate(references)
        }

    def each(self, written: Sequence[str]) -> Float[np.ndarray, " N"]:
        """The measure of every caption, in [0, 10], one for each image of the references.

        Raises ValueError if there are not as many captions as images.
        """
        from pycocoevalcap.cider.cider import Cider as Library

        _check_count(written, self._references)
        said = {image: [_spaced(text)] for image, text in enumerate(written)}
        _, single = Library().compute_score(self._references, said)
        return np.asarray(single, dtype=np.float64)

    def mean(self, written: Sequence[str]) -> float:
        """The mean over images."""
        return float(np.mean(self.each(written)))


def _spaced(text: str) -> str:
    return " ".join(spelled(text))


def _check_count(written: Sequence[str], references: Any) -> None:
    if len(written) != len(references):
        raise ValueError(f"{len(written)} captions for {len(references)} images")


def figures(written: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Both measures with their 95 % intervals over images, and sacrebleu's signature.

    `bleu_4_words` leaves case and punctuation of both sides away, as papers on captions do.
    CIDEr's interval is that of the mean over images; how rare a word is stays as it is in the
    whole set. Raises ValueError for fewer than two images.
    """
    bleu = Bleu(references)
    words = Bleu([[_spaced(text) for text in texts] for texts in references])
    found = {
        "bleu_4": bleu.estimate(written),
        "bleu_4_words": words.estimate([_spaced(text) for text in written]),
        "cider": estimate(Cider(references).each(written)),
    }
    said: dict[str, Any] = {"bleu_signature": bleu.signature}
    for name, (value, low, high) in found.items():
        said |= {name: value, f"{name}_interval": [low, high]}
    return said
