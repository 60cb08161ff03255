"""Shape annotations: jaxtyping's, or nothing but the tensor where only torch is installed.

The framework asks for torch alone. What it gives up without jaxtyping is the check of shapes under
test, so the names below stand for both.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxtyping import Bool as Bool
    from jaxtyping import Float as Float
    from jaxtyping import Int as Int
    from jaxtyping import Shaped as Shaped
else:
    try:
        from jaxtyping import Bool, Float, Int, Shaped
    except ImportError:

        class Unchecked:
            """`Float[Tensor, "B D"]` is `Tensor`."""

            def __class_getitem__(cls, annotation: tuple[Any, str]) -> Any:
                return annotation[0]

        Bool = Float = Int = Shaped = Unchecked

__all__ = ["Bool", "Float", "Int", "Shaped"]
