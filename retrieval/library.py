"""The story of a user: open a library, index folders, search, see how it stands."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from indexer.catalogue import Catalogue
from indexer.records import FailureRow, SpaceRow
from retrieval.answer import Answer
from retrieval.arguments import condition_of, path_of, query_of, require_top
from retrieval.library_folder import LibraryNotFoundError, library_folder, opened_catalogue
from retrieval.library_stack import (
    bank_lexicon,
    library_budget,
    library_refiner,
    remember_stack,
    required_refiner,
)
from retrieval.library_status import LibraryStatus, library_status
from retrieval.query import ImagePart, Part, Query
from retrieval.rejection.calibration import require_rate
from spectrum.encoders import Encoder, load_encoder

if TYPE_CHECKING:
    from PIL.Image import Image

    from indexer.banks import BankRow
    from indexer.build import BuildOptions, BuildReport, Progress
    from indexer.filters import Condition
    from indexer.refine import RefineReport
    from retrieval.duplicates import DuplicateGroup
    from retrieval.rejection.state import TrustStatus
    from retrieval.searcher import Searcher
    from spectrum.stack.lexicon import Lexicon
    from spectrum.stack.protocol import Refiner


class Library:
    """A folder that holds an index, and everything one can ask of it.

    Use it as a context manager, or call `close`. Opening is cheap; the encoder's weights are
    loaded by the first call that needs them.
    """

    def __init__(
        self,
        folder: Path,
        catalogue: Catalogue,
        encoder: Encoder | str | None,
        refiner: "Refiner | None" = None,
        budget: str | None = None,
        stack: str | None = None,
    ) -> None:
        self.folder = folder
        self.catalogue = catalogue
        self._encoder = encoder
        self._refiner = refiner
        self._budget = budget
        self._stack = stack

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str] | None = None,
        *,
        encoder: Encoder | str | None = None,
        refiner: "Refiner | None" = None,
        budget: str | None = None,
        stack: str | os.PathLike[str] | None = None,
        create: bool = True,
    ) -> "Library":
        """Opens the library in `folder`, by default the user's own; an empty one if `create`.

        `encoder` is the encoder of a new library, or its name (`embedded` if None), and has to
        agree with that of an old one. Vectors are refined by `refiner`, or by what `budget` (none
        | fast | balanced | best | milliseconds an image) allows of a `stack`: a file of `spectrum
        train`, or `shipped`. By default both are the library's own, at first `best` and `shipped`.
        Raises LibraryNotFoundError, LibraryError.
        """
        path = library_folder(folder)
        named = None if stack is None else path_of(stack)
        return cls(path, opened_catalogue(path, create=create), encoder, refiner, budget, named)

    def close(self) -> None:
        """Gives the database back."""
        self.catalogue.close()

    def __enter__(self) -> "Library":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @cached_property
    def encoder(self) -> Encoder:
        """The library's encoder; LibraryError if it is not the one that built the library."""
        from indexer.spaces import require_same_encoder

        space = self.catalogue.space()
        encoder = self._encoder or (space.identity.name if space else "embedded")
        if isinstance(encoder, str):
            encoder = load_encoder(encoder)
        if space is not None:
            require_same_encoder(space, encoder)
        return encoder

    def index(
        self,
        *roots: str | os.PathLike[str],
        options: "BuildOptions | None" = None,
        progress: "Progress | None" = None,
    ) -> "BuildReport":
        """Brings the library up to date with these files and folders.

        Raises what `indexer.build.build` does, and ModelUnavailableError for a stack that is gone.
        """
        from indexer.build import BuildOptions, Progress, build

        if options is None or not options.dry_run:
            remember_stack(self.catalogue, self.encoder.identity, self._stack)
        return build(
            self.folder,
            self.catalogue,
            [path_of(root) for root in roots],
            self.encoder,
            options or BuildOptions(),
            progress or Progress(),
            load_refiner=lambda: self.refiner,
            budget=self.budget,
        )

    @property
    def budget(self) -> str:
        """What refining may cost: as this library was opened, or as its pictures are refined."""
        return library_budget(self.catalogue) if self._budget is None else self._budget

    @cached_property
    def refiner(self) -> "Refiner | None":
        """What refines the encoder's vectors; None if nothing does."""
        identity, budget = self.encoder.identity, self.budget
        return self._refiner or library_refiner(self.catalogue, identity, budget, self._stack)

    def refiner_over(self, bank: "BankRow") -> "Refiner | None":
        """What refines by that bank's budget; it may be another stack than the bank's."""
        if self._refiner is not None or bank.budget == self.budget:
            return self.refiner
        return library_refiner(self.catalogue, self.encoder.identity, bank.budget, self._stack)

    def lexicon_over(self, bank: "BankRow | None") -> "Lexicon | None":
        """What words look like among a bank's vectors; None where its stack never learned it."""
        if self._refiner is not None and bank is not None:
            known = self._refiner.identity.fingerprint == bank.stack
            return self._refiner.lexicon if known else None
        return bank_lexicon(self.catalogue, self.encoder.identity, bank)

    def refine(self, *, progress: "Progress | None" = None) -> "RefineReport":
        """Refines all pictures among those that are present now; searches change at the end.

        Raises LibraryNotFoundError while nothing is indexed, LibraryError if nothing refines this
        encoder's vectors, and what `indexer.refine.refine_library` raises.
        """
        from indexer.progress import Progress
        from indexer.refine import refine_library

        refiner = required_refiner(self.refiner, self.space.identity.name, self.budget)
        remember_stack(self.catalogue, self.encoder.identity, self._stack)
        return refine_library(
            self.folder,
            self.catalogue,
            self.space,
            self.encoder,
            refiner,
            budget=self.budget,
            progress=progress or Progress(),
        )

    def search(
        self,
        query: "str | Query | Sequence[Part] | None" = None,
        *,
        image: "str | os.PathLike[str] | bytes | Image | None" = None,
        top: int = 10,
        where: "str | Condition | None" = None,
        duplicates: bool = False,
        false_reject: float | None = 0.05,
        show_rejected: bool = False,
        ranking: str = "spectrum",
        intent: str = "",
        intent_strength: float = 1.0,
        explain: bool = False,
    ) -> Answer:
        """The `top` best pictures for words, for an image, or for both together.

        A string is taken as words, whatever it holds; `retrieval.parse_terms` reads the command
        line's syntax. `where` restricts the search, in the language of `retrieval.filters`; unless
        `duplicates`, near-identical pictures are one hit. Raises QueryError (FilterError for
        `where`), UnreadableImageError, LibraryNotFoundError.

        Where the library is calibrated, a query that it has nothing for gets no hits, unless
        `show_rejected`: at most the share `false_reject` of good queries is refused; None refuses
        none. CalibrationError for a share outside (0, 1).

        `ranking` is one of `retrieval.ranking.table.SEARCHABLE`; QueryError for another name.

        `intent` says what of the image counts or should differ, such as `but red`, and
        `intent_strength` how much that weighs, 0 nothing at all. QueryError without an image.

        With `explain` each hit has its `why`, and `Answer.unexplained` says what is not known.
        """
        require_top(top)
        if false_reject is not None:
            require_rate(false_reject)
        asked = query_of(query, image)
        if intent:
            asked = replace(asked, intent=intent, intent_strength=intent_strength)
        fits = condition_of(where)
        return self._searcher_by(ranking).search(
            asked,
            top=top,
            where=fits,
            duplicates=duplicates,
            false_reject=false_reject,
            show_rejected=show_rejected,
            explain_by=self.refiner_over if explain else None,
        )

    def similar(
        self,
        image: "str | os.PathLike[str] | bytes",
        *,
        top: int = 10,
        itself: bool = False,
        where: "str | Condition | None" = None,
        duplicates: bool = False,
    ) -> Answer:
        """The pictures most like `image`, which need not be in the library.

        Unless `itself`, files with the very bytes of the image are left out. `where` and
        `duplicates` are those of `search`, as are the errors.
        """
        from retrieval.pictures import hash_of_source

        require_top(top)
        source = image if isinstance(image, bytes) else path_of(image)
        without = None if itself else hash_of_source(source)
        query = Query(parts=(ImagePart(image=source),))
        return self.searcher.search(
            query, top=top, without_hash=without, where=condition_of(where), duplicates=duplicates
        )

    def duplicates(
        self, *, exact: bool = False, progress: "Progress | None" = None
    ) -> "list[DuplicateGroup]":
        """Files that hold the same picture: byte for byte, and unless `exact` nearly so.

        Pictures that an older version indexed are decoded first, once, to compute their hashes.
        Groups are in order of the path that comes first. LibraryNotFoundError if nothing is
        indexed.
        """
        from retrieval.duplicates import duplicate_groups

        return duplicate_groups(self.catalogue, self.space, exact=exact, progress=progress)

    @property
    def searcher(self) -> "Searcher":
        """What answers queries. LibraryNotFoundError while nothing is indexed."""
        return self._searcher_by("spectrum")

    @cached_property
    def _searchers(self) -> "dict[str, Searcher]":
        return {}

    def _searcher_by(self, ranking: str) -> "Searcher":
        """What answers queries by that ranking, opened once."""
        from retrieval.searcher import opened_searcher

        known = self._searchers.get(ranking)
        # Two threads may both open one: the first stays.
        return known or self._searchers.setdefault(ranking, opened_searcher(self, ranking))

    @property
    def space(self) -> SpaceRow:
        """The library's space. LibraryNotFoundError while nothing is indexed."""
        space = self.catalogue.space()
        if space is None:
            raise LibraryNotFoundError(
                f"the library in {self.folder} is empty: fill it with 'spectrum index FOLDER'"
            )
        return space

    def status(self) -> LibraryStatus:
        """Counts of files by state, and what the library is made with."""
        return library_status(self.folder, self.catalogue)

    def trust_status(self) -> "TrustStatus":
        """Whether hopeless queries are refused. CalibrationError if that cannot be read."""
        from retrieval.rejection.library_gate import calibration_status

        return calibration_status(self)

    def failures(self) -> list[FailureRow]:
        """Every file that could not be indexed, with its reason."""
        return self.catalogue.failures()
