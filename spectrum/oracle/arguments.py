"""What ORACLE alone asks of its arguments: boxes, objects, and masks that may hold nothing."""

from jaxtyping import Bool, Float
from torch import Tensor

from spectrum.arguments import lowest, require_shape


def require_boxes(boxes: Float[Tensor, "B K 4"], images: int) -> None:
    """ValueError unless there is a list of boxes an image, each of them inside the frame."""
    if boxes.shape[::2] != (images, 4):
        raise ValueError(
            f"boxes have shape {tuple(boxes.shape)} for {images} images: give K boxes an image, "
            f"left, top, right, bottom each"
        )
    starts, ends = boxes[..., :2], boxes[..., 2:]
    wrong = ~((starts >= 0) & (starts <= ends) & (ends <= 1)).all(dim=-1)
    if bool(wrong.any()):
        image, which = wrong.nonzero()[0].tolist()
        said = ", ".join(f"{side:.4g}" for side in boxes[image, which].tolist())
        raise ValueError(
            f"box {which} of image {image} is ({said}): "
            f"give left, top, right, bottom in shares of the frame, 0 to 1"
        )


def require_objects(
    objects: Float[Tensor, "B M K D"], object_mask: Bool[Tensor, "B M K"], width: int
) -> None:
    """ValueError unless there is an anchor, objects have that width, and a flag each."""
    if 0 in (*objects.shape[:2], objects.shape[-1]):
        raise ValueError(
            f"objects are of no image, shape {tuple(objects.shape)}: give at least one anchor, "
            f"itself its first member"
        )
    if objects.shape[-1] != width:
        raise ValueError(
            f"objects have width {objects.shape[-1]}, this ORACLE was built for {width}"
        )
    require_shape(object_mask, "object_mask", tuple(objects.shape[:3]))


def masked_softmax(logits: Float[Tensor, "*N J"], mask: Bool[Tensor, "*N J"]) -> Tensor:
    """Weights over what the mask holds, of sum 1; all 0 where it holds nothing."""
    hidden = logits.masked_fill(~mask, lowest(logits.dtype))
    return hidden.softmax(dim=-1).masked_fill(~mask, 0.0)
