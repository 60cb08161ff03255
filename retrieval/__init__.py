"""Image retrieval in ten names: open a library, index folders, search, read the answer.

    from retrieval import Library

    with Library.open("photos.library") as library:
        library.index("~/Pictures")
        answer = library.search("two dogs on a beach")
        print(answer.hits[0].path)

Shape letters: N pictures, Q queries, P parts of one query, D stored dimension, S and V its
semantic and visual blocks, A pictures that a search is restricted to, K results.
"""

from retrieval.answer import Answer, Hit
from retrieval.library import Library
from retrieval.library_folder import LibraryNotFoundError
from retrieval.library_status import LibraryStatus
from retrieval.query import ImagePart, Query, QueryError, TextPart, parse_terms

__all__ = [
    "Answer",
    "Hit",
    "ImagePart",
    "Library",
    "LibraryNotFoundError",
    "LibraryStatus",
    "Query",
    "QueryError",
    "TextPart",
    "parse_terms",
]
