"""Why hits are where they are: how the modules weigh, the caption, the neighbours that moved it.

Made of what refinement stored, for the hits that are shown and no other candidate.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from indexer.banks import BankRow
from indexer.captions import captions_of
from indexer.neighbourhoods import neighbourhood
from retrieval.answer import Answer, Hit, Neighbour, Why
from retrieval.view import View
from spectrum.encoders.protocol import ModelUnavailableError
from spectrum.stack.protocol import Refiner

RefinerOf = Callable[[BankRow], Refiner | None]
"""What refined over a bank; None if it is not at hand. ModelUnavailableError if it is damaged."""

UNREFINED = (
    "this library is not refined, and ranks by the encoder's own vectors: see 'spectrum refine'"
)
CHOSEN_RANKING = "this ranking is by the encoder's own vectors, in which no module takes part"
OTHER_STACK = (
    "another stack than the one at hand refined this library: 'spectrum refine' brings it up to"
    " date"
)


def explained(answer: Answer, view: View, refiner_of: RefinerOf, *, ranked: bool = False) -> Answer:
    """The answer with a `why` for each hit; where modules cannot be asked, `unexplained` says so.

    `ranked` says that a ranking was chosen which reads no refined vectors.
    """
    refiner, unexplained = _refiner(view, refiner_of, ranked)
    said = captions_of(view.catalogue, [hit.image_id for hit in answer.hits])
    hits = tuple(
        replace(hit, why=_why(hit, view, refiner, [each.text for each in said[hit.image_id]]))
        for hit in answer.hits
    )
    return replace(answer, hits=hits, unexplained=unexplained)


def _refiner(view: View, refiner_of: RefinerOf, ranked: bool) -> tuple[Refiner | None, str]:
    """What refined the vectors of the view; or why it cannot be asked."""
    if view.bank is None:
        return None, CHOSEN_RANKING if ranked else UNREFINED
    try:
        refiner = refiner_of(view.bank)
    except ModelUnavailableError as error:
        return None, str(error)
    if refiner is None or refiner.identity.fingerprint != view.bank.stack:
        return None, OTHER_STACK
    return refiner, ""


def _why(hit: Hit, view: View, refiner: Refiner | None, captions: Sequence[str]) -> Why:
    """The captions alone for a picture that is not refined over the view's bank."""
    if refiner is None or view.bank is None:
        return Why(captions=tuple(captions))
    try:
        among = neighbourhood(view.catalogue, view.space, view.bank, hit.image_id)
    except KeyError:
        return Why(captions=tuple(captions))
    told = refiner.explain(among.local, among.prompts, among.member_mask)
    ids = among.neighbour_ids.tolist()
    paths = view.catalogue.paths_of(ids)
    moved = [
        Neighbour(image_id=id, path=next(iter(paths[id]), ""), influence=influence)
        for id, influence in zip(ids, told.influences.tolist(), strict=True)
        if influence > 0
    ]
    return Why(
        captions=tuple(captions),
        text_weights=told.module_weights,
        image_weights=told.visual_module_weights,
        neighbours=tuple(sorted(moved, key=lambda each: (-each.influence, each.image_id))),
    )
