"""What the teacher and the embedded encoder say of pictures and texts, asked once and kept."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float16, Float32

from spectrum.encoders import EncodedImages, Encoder
from spectrum.encoders.embedded import EmbeddedEncoder
from spectrum.students.lessons import CaptionRows, Lessons, Pairs, Split, TextRows, text_rows
from spectrum.students.paired_encoder import PairedEncoder
from spectrum.students.queries import generic_queries
from spectrum.students.settings import StudentTraining
from spectrum.students.teachers import reads_texts
from spectrum.students.vector_cache import VectorCache

TEXT_BATCH = 64


@runtime_checkable
class Progress(Protocol):
    """Is told how far a distillation is."""

    def stage(self, what: str, total: int) -> None:
        """A stage of so many steps begins."""
        ...

    def advance(self, steps: int) -> None:
        """So many more are done."""
        ...


class Silence:
    """Progress that nobody follows."""

    def stage(self, what: str, total: int) -> None:
        pass

    def advance(self, steps: int) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """A teacher, the encoder whose towers the student keeps, and how it is taught."""

    teacher: Encoder
    """Any encoder; one that reads no texts gives the student its visual vector only."""
    base: EmbeddedEncoder
    """Its towers stay as they are."""
    work: Path
    """Folder for what both say; used again by the next run with the same two."""
    training: StudentTraining = field(default_factory=StudentTraining)
    progress: Progress = field(default_factory=Silence)

    @cached_property
    def paired(self) -> PairedEncoder:
        """Encodes a picture with both."""
        return PairedEncoder(self.teacher, self.base)

    @cached_property
    def pictures(self) -> VectorCache:
        """What `paired` said of pictures, by content hash."""
        identity = self.paired.identity
        return VectorCache(
            self._folder("pictures"), identity.dimension, exact=identity.semantic_dimension
        )

    @cached_property
    def texts(self) -> VectorCache:
        """The teacher's and the base's vectors of texts, side by side, by the texts' hashes."""
        width = self.teacher.identity.semantic_dimension + self.base.identity.semantic_dimension
        return VectorCache(self._folder("texts"), width, exact=width)

    @cached_property
    def has_words(self) -> bool:
        """Whether the teacher reads texts."""
        return reads_texts(self.teacher)

    def _folder(self, what: str) -> Path:
        """Other weights of either have another folder."""
        return self.work / f"{what}-{self.paired.identity.fingerprint[:16]}"


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """All that is known of the pictures and texts before a head is trained."""

    distillation: Distillation
    split: Split
    captions: Mapping[str, Sequence[str]]
    """Texts by content hash; perhaps of some pictures only, perhaps none."""

    def teacher_images(self, hashes: Sequence[str]) -> EncodedImages:
        """The teacher's vectors of pictures."""
        both = self.distillation.pictures.exact_vectors(hashes)
        width = self.distillation.teacher.identity.semantic_dimension
        return EncodedImages(semantic=both[:, :width], visual=both[:, width:], tokens=None)

    def views(self, hashes: Sequence[str]) -> Float16[np.ndarray, "V N W"]:
        """The base's features of pictures, and of their mirror images."""
        both = self.distillation.pictures.other_vectors(hashes)
        return np.ascontiguousarray(both.reshape(len(hashes), 2, -1).transpose(1, 0, 2))

    def image_lessons(self) -> Lessons:
        """Pictures to learn from, mirrored too, and to check, as they are."""
        training, validation, _ = self.split
        return Lessons(
            training=Pairs(
                inputs=self.views(training), teacher_unit=self.teacher_images(training).semantic
            ),
            validation=Pairs(
                inputs=self.views(validation)[:1],
                teacher_unit=self.teacher_images(validation).semantic,
            ),
        )

    @cached_property
    def text_rows(self) -> TextRows:
        """The texts to learn from and to check; none where the teacher reads none."""
        if not self.distillation.has_words:
            return TextRows([], [], CaptionRows(), CaptionRows())
        return text_rows(self.split, self.captions, self._generic[: -self._spare])

    @cached_property
    def held_out_captions(self) -> list[str]:
        """What describes held-out pictures, each text once."""
        said = [text for hash in self.split.held_out for text in self.captions.get(hash, ())]
        return list(dict.fromkeys(said))

    @cached_property
    def unseen_texts(self) -> list[str]:
        """Held-out captions that are not learned from, or where there are none generic texts."""
        learned = set(self.text_rows.training)
        unseen = [text for text in self.held_out_captions if text not in learned]
        return unseen or self._generic[-self._spare :]

    def text_lessons(self) -> Lessons | None:
        """Texts to learn from and to check, both encoders asked about them now."""
        if not self.distillation.has_words:
            return None
        rows = self.text_rows
        self._ask([*rows.training, *rows.validation, *self.unseen_texts, *self.held_out_captions])
        training, validation = (
            Pairs(inputs=base[None], teacher_unit=teacher)
            for teacher, base in (self.said(rows.training), self.said(rows.validation))
        )
        return Lessons(training=training, validation=validation)

    def said(
        self, texts: Sequence[str]
    ) -> tuple[Float32[np.ndarray, "N S"], Float32[np.ndarray, "N W"]]:
        """The teacher's and the base's vectors of texts that were asked about."""
        both = self.distillation.texts.exact_vectors([_key(text) for text in texts])
        width = self.distillation.teacher.identity.semantic_dimension
        return both[:, :width], both[:, width:]

    @cached_property
    def _generic(self) -> list[str]:
        training = self.distillation.training
        return generic_queries(training.generic_texts + self._spare, training.seed)

    @property
    def _spare(self) -> int:
        return max(1, self.distillation.training.generic_texts // 10)

    def _ask(self, texts: Sequence[str]) -> None:
        distillation = self.distillation
        cache = distillation.texts
        unknown = [text for text in dict.fromkeys(texts) if _key(text) not in cache]
        distillation.progress.stage("texts", len(unknown))
        for start in range(0, len(unknown), TEXT_BATCH):
            batch = unknown[start : start + TEXT_BATCH]
            vectors = [
                each.encode_texts(batch) for each in (distillation.teacher, distillation.base)
            ]
            cache.add([_key(text) for text in batch], np.concatenate(vectors, axis=1))
            distillation.progress.advance(len(batch))


def _key(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
