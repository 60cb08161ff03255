"""Image queries: every detector, near and far unknowns, the win rule.

python -m benchmarks.rejection.images CACHE [--library flickr_train] [--known flickr_dev]
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.machine import machine_line
from benchmarks.rejection.tables import rate_line, separation_table, verdict
from benchmarks.rejection.vectors import distorted_pictures, image_vectors
from retrieval.rejection.contest import contestant, detector_names
from retrieval.rejection.gate import Head
from retrieval.rejection.image_fitting import image_head
from retrieval.trust import framework_detectors

NEAR = ("caltech_half", "imagenet_1k_sample", "clothing/train", "coco_boxes")
FAR = ("textures", "blood_cells")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--library", default="flickr_train")
    parser.add_argument("--known", default="flickr_dev")
    parser.add_argument("--only", nargs="*", default=[])
    arguments = parser.parse_args()
    data, cache = arguments.data, arguments.cache
    library = image_vectors(data, cache, arguments.library)
    known = image_vectors(data, cache, arguments.known)
    near = [name for name in NEAR if not arguments.library.startswith(name.split("/")[0])]
    if arguments.library.startswith("clothing"):
        near = [*near, "flickr_dev"]
    unknown = {name: image_vectors(data, cache, name) for name in (*near, *FAR)}
    widths = (400, library.shape[1] - 400)
    shares = np.array([np.sqrt(0.1), np.sqrt(0.9)], dtype=np.float32)
    scale = np.repeat(shares / shares.sum(), widths).astype(np.float32)
    spoilt = distorted_pictures(data, cache, arguments.library)
    found, samples = [], {}
    names = arguments.only or ["max-cosine"]

    def fitted(name: str) -> Head:
        others = framework_detectors()
        return image_head(library, widths, scale, name, others, false_reject=0.05, distorted=spoilt)

    first = fitted(names[0])
    asked = first.sample(known)
    samples = {name: first.sample(vectors) for name, vectors in unknown.items()}
    for name in arguments.only or detector_names("image", first.columns):
        found.append(contestant(fitted(name), asked, samples, 0.05))
        print(rate_line(found[-1]), flush=True)
    print(separation_table(found))
    print(verdict(found, near, default="block-distances"))
    print(machine_line("torch", "numpy", "onnxruntime"))


if __name__ == "__main__":
    main()
