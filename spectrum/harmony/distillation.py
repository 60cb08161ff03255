"""HARMONY 5.1: what a teacher knows, as two losses of its student."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from spectrum.arguments import require_positive, require_same_shape


def distillation_loss(
    student_logits: Float[Tensor, "B C"],
    teacher_logits: Float[Tensor, "B C"],
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    r"""How far the student's distribution is from the teacher's, in nats at temperature 1.

    HARMONY 5.1a:  L_KD = (tau^2 / B) sum_b D_KL( p_T(z|x_b) || p_S(z|x_b) ),   p = softmax(z / tau)

        paper   here             shape
        z_S     student_logits   B C
        z_T     teacher_logits   B C    (no gradient: the teacher is fixed); -inf is probability 0
        tau     temperature      > 0

    ValueError for two shapes, an empty batch, or a temperature that is not above 0.
    Departure: tau^2, which keeps the gradient's size when tau changes (Hinton et al.,
    arXiv:1503.02531, section 2). temperature=1.0 is the paper's form, its mean over the batch.
    Reference loop: tests/references/harmony.py
    """
    require_same_shape(student_logits, "student_logits", teacher_logits, "teacher_logits")
    require_positive(temperature)
    student_log_probs = (student_logits / temperature).log_softmax(dim=-1)
    teacher_probs = (teacher_logits.detach() / temperature).softmax(dim=-1)
    divergence = functional.kl_div(student_log_probs, teacher_probs, reduction="batchmean")
    return temperature**2 * divergence


def feature_distillation_loss(
    student_features: Float[Tensor, "B S"],
    teacher_features: Float[Tensor, "B T"],
    mapping: Callable[[Tensor], Tensor],
) -> Float[Tensor, ""]:
    r"""How far the student's mapped features lie from the teacher's: mean squared distance.

    HARMONY 5.1b:  L_FKD = (1/B) sum_b || F_T(x_b) - g(F_S(x_b)) ||^2

        paper   here               shape
        F_S     student_features   B S
        F_T     teacher_features   B T    (no gradient: the teacher is fixed)
        g       mapping            B S -> B T; nn.Identity() where S = T, else an adapter such as
                                   nn.Linear(S, T), trained with the student and then left out

    ValueError for an empty batch, or where the mapping does not make the teacher's shape.
    Departure: none; the paper writes one x, a batch is its mean. The norm sums over T, so the
    value grows with the width unless the features are of unit length (then it is at most 4).
    Reference loop: tests/references/harmony.py
    """
    mapped = mapping(student_features)
    require_same_shape(mapped, "mapping(student_features)", teacher_features, "teacher_features")
    return (teacher_features.detach() - mapped).square().sum(dim=-1).mean()
