"""The story of a user: open a library, index folders, search, see how it stands."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from indexer.catalogue import Catalogue
from indexer.database import CATALOGUE_FILE
from indexer.errors import LibraryError
from indexer.records import FailureRow, SpaceRow
from retrieval.answer import Answer
from retrieval.query import ImagePart, Part, Query, TextPart
from spectrum.encoders import Encoder, EncoderIdentity, load_encoder

if TYPE_CHECKING:
    from PIL.Image import Image

    from indexer.build import BuildOptions, BuildReport, Progress
    from retrieval.searcher import Searcher


class LibraryNotFoundError(Exception):
    """There is no library where one was looked for."""


@dataclass(frozen=True, kw_only=True)
class LibraryStatus:
    """How a library stands."""

    folder: str
    encoder: EncoderIdentity | None
    """None while nothing was indexed."""
    present: int
    """Files that can be found."""
    images: int
    """Distinct pictures among them."""
    missing: int
    deleted: int
    failed: int
    roots: tuple[str, ...]
    bytes: int
    """Size of the library on disk."""


class Library:
    """A folder that holds an index, and everything one can ask of it.

    Use it as a context manager, or call `close`. Opening is cheap; the encoder's weights are
    loaded by the first call that needs them.
    """

    def __init__(self, folder: Path, catalogue: Catalogue, encoder: Encoder | str | None) -> None:
        self.folder = folder
        self.catalogue = catalogue
        self._encoder = encoder

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike[str] | None = None,
        *,
        encoder: Encoder | str | None = None,
        create: bool = True,
    ) -> "Library":
        """Opens the library in `folder`, by default the user's own; an empty one if `create`.

        `encoder` is the encoder of a new library, or its name (`embedded` if None), and has to
        agree with that of an old one. Raises LibraryNotFoundError, LibraryError.
        """
        path = default_folder() if folder is None else Path(folder).expanduser().absolute()
        file = path / CATALOGUE_FILE
        if not file.exists() and not create:
            raise LibraryNotFoundError(
                f"there is no library in {path}: make one with 'spectrum index FOLDER', or name"
                " another with --library"
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(f"cannot make the library {path}: {error.strerror}") from error
        return cls(path, Catalogue.open(file), encoder)

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

        Raises RootLostError, LibraryBusyError, LibraryError, OSError; see `indexer.build.build`.
        """
        from indexer.build import BuildOptions, Progress, build

        names = [os.path.expanduser(os.fspath(root)) for root in roots]
        return build(
            self.folder,
            self.catalogue,
            names,
            self.encoder,
            options or BuildOptions(),
            progress or Progress(),
        )

    def search(
        self,
        query: "str | Query | Sequence[Part] | None" = None,
        *,
        image: "str | os.PathLike[str] | bytes | Image | None" = None,
        top: int = 10,
    ) -> Answer:
        """The `top` best pictures for words, for an image, or for both together.

        A string is taken as words, whatever it holds; `retrieval.parse_terms` reads the command
        line's syntax. Raises QueryError, UnreadableImageError, LibraryNotFoundError.
        """
        if top < 1:
            raise ValueError(f"top must be at least 1, not {top}")
        return self.searcher.search(_as_query(query, image), top=top)

    def similar(
        self, image: "str | os.PathLike[str] | bytes", *, top: int = 10, itself: bool = False
    ) -> Answer:
        """The pictures most like `image`, which need not be in the library.

        Unless `itself`, files with the very bytes of the image are left out.
        """
        from retrieval.pictures import hash_of_source

        source = image if isinstance(image, bytes) else _path(image)
        without = None if itself else hash_of_source(source)
        query = Query(parts=(ImagePart(image=source),))
        return self.searcher.search(query, top=top, without_hash=without)

    @cached_property
    def searcher(self) -> "Searcher":
        """What answers queries. LibraryNotFoundError while nothing is indexed."""
        from indexer.spaces import open_store
        from retrieval.searcher import Searcher

        space = self.space
        return Searcher(self.catalogue, open_store(self.folder, space), space, self.encoder)

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
        counts = self.catalogue.state_counts()
        space = self.catalogue.space()
        return LibraryStatus(
            folder=str(self.folder),
            encoder=space.identity if space else None,
            present=counts.get("present", 0),
            images=len(self.catalogue.searchable_ids(space.id)) if space else 0,
            missing=counts.get("missing", 0),
            deleted=counts.get("deleted", 0),
            failed=counts.get("failed", 0),
            roots=tuple(sorted(self.catalogue.roots())),
            bytes=sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file()),
        )

    def failures(self) -> list[FailureRow]:
        """Every file that could not be indexed, with its reason."""
        return self.catalogue.failures()


def default_folder() -> Path:
    """Where a library lies when none is named: the user's data directory."""
    from platformdirs import user_data_path

    return user_data_path("spectrum", appauthor=False) / "default.library"


def _path(path: str | os.PathLike[str]) -> str:
    return os.path.expanduser(os.fspath(path))


def _as_query(
    query: "str | Query | Sequence[Part] | None",
    image: "str | os.PathLike[str] | bytes | Image | None",
) -> Query:
    if isinstance(query, Query):
        parts = query.parts
    elif isinstance(query, str):
        parts = (TextPart(text=query),)
    else:
        parts = tuple(query or ())
    if image is not None:
        source = _path(image) if isinstance(image, str | os.PathLike) else image
        parts = (*parts, ImagePart(image=source))
    return Query(parts=parts)
