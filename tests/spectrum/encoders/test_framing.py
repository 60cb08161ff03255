"""What is left of a text without the words around what it asks for."""

import pytest

from spectrum.encoders.framing import unframed


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("a photo of a dog", "a dog"),
        ("A Photo of a dog", "a dog"),
        ("the photographs of two dogs", "two dogs"),
        ("pictures of the sea", "the sea"),
        ('"An image of  snow"', 'snow"'),
        ("a man poses for a photo", "a man poses for a photo"),
        ("a photo of", "a photo of"),
        ("photo of ...", "photo of ..."),
        ("photosynthesis of plants", "photosynthesis of plants"),
        ("", ""),
    ],
)
def test_only_a_frame_at_the_beginning_goes(text: str, asked: str) -> None:
    assert unframed(text) == asked
