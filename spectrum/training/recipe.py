"""All settings of the embedded encoder in one place."""

from dataclasses import dataclass, field

from spectrum.training.distillation import Distillation
from spectrum.training.ensemble_head import EnsembleTraining
from spectrum.training.material import TextCounts
from spectrum.training.naming import Naming
from spectrum.training.query_gate import GateTraining
from spectrum.training.student import StudentTraining
from spectrum.training.visual_vector import VisualBalance


@dataclass(frozen=True, kw_only=True)
class EmbeddedTraining:
    """All settings of the embedded encoder."""

    ensemble: EnsembleTraining = field(default_factory=EnsembleTraining)
    """The five image teachers as one."""
    student: StudentTraining = field(default_factory=StudentTraining)
    """The image tower's late layers and heads."""
    naming: Naming = field(default_factory=Naming)
    """The noun block."""
    visual: VisualBalance = field(default_factory=VisualBalance)
    """What the visual vector's parts count for."""
    gate: GateTraining = field(default_factory=GateTraining)
    """What the noun block counts for in a query."""
    texts: TextCounts = field(default_factory=TextCounts)
    """What the sentence tower reads."""
    text: Distillation = field(default_factory=Distillation)
    """The tokenizer and the sentence tower."""

    @property
    def semantic(self) -> int:
        """Width of the semantic vector, both blocks."""
        return self.student.head.width + self.naming.width

    @property
    def tokens(self) -> int:
        """Channels of a token: whitened directions of both backbones."""
        return sum(self.student.visual)
