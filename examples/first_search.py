"""From a folder of pictures to an answer, in Python. Renders its own pictures; half a minute.

python examples/first_search.py
"""

import tempfile
from pathlib import Path

from retrieval import ImagePart, Library, Query, TextPart
from retrieval.sample.collection import write_collection


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_collection(Path(folder) / "scenes", n_scenes=60).parent / "images"

        with Library.open(Path(folder) / "scenes.library") as library:
            report = library.index(pictures)
            print(f"{report.encoded} pictures indexed, {report.failed} failed")

            # Words.
            for hit in library.search("a ball on the beach", top=3).hits:
                print(f"{hit.similarity:.3f}  {Path(hit.path).name}")

            # A picture, and what it should have besides.
            example = sorted(pictures.iterdir())[0]
            query = Query(
                parts=(
                    ImagePart(image=str(example)),
                    TextPart(text="at night"),
                    TextPart(text="snow", weight=-0.5),
                )
            )
            print(f"\nlike {example.name}, at night, not in the snow")
            for hit in library.search(query, top=3).hits:
                print(f"{hit.similarity:.3f}  {Path(hit.path).name}")


if __name__ == "__main__":
    main()
