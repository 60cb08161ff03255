"""TREC judgements as a dataset: `qrels.txt`, which images answer which query, and `queries.tsv`.

A document's id is the image's path from the folder of the qrels file, percent-encoded where it
holds spaces, since columns are divided by them.
"""

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from indexer.formats import IMAGE_SUFFIXES
from retrieval.evaluation.datasets import DatasetError

_EXPECTED_LINE = 'expected "QUERY 0 IMAGE GRADE", for example "q1 0 images/a.jpg 1"'
_EXPECTED_QUERIES = 'queries.tsv ("QUERY<TAB>words" a line) or queries.jsonl ({"_id", "text"})'


@dataclass(frozen=True, kw_only=True)
class QrelsDataset:
    """Texts, and which images answer each of them how well."""

    images: list[Path]
    """Absolute: the judged ones, then all others in the folder of the qrels file, by name."""
    query_ids: list[str]
    """In the order of the queries' file."""
    queries: list[str]
    """The words of each query."""
    grades: list[dict[int, int]]
    """For each query, place in `images` -> grade, above 0; the rest is irrelevant."""
    n_repeated: int
    """Judgements that were given twice, and count once."""


def qrels_in(folder: Path, split: str | None) -> Path | None:
    """The qrels file of a folder: `qrels.txt`, or `qrels.SPLIT.txt`; None if it has none."""
    file = folder / ("qrels.txt" if split is None else f"qrels.{split}.txt")
    return file if file.is_file() else None


def read_qrels(path: Path, *, suffixes: Collection[str] = IMAGE_SUFFIXES) -> QrelsDataset:
    """Reads judgements, and the queries that lie beside them.

    The collection is every image in the file's folder and below, and every judged one, which need
    not exist. Queries that nothing answers are kept; they are in no average.
    Raises DatasetError naming file and line.
    """
    folder = Path(os.path.abspath(path)).parent
    texts = _queries(folder)
    place: dict[Path, int] = {}
    judged: dict[tuple[str, int], int] = {}
    n_repeated = 0
    for where, query, document, grade in _judgements(path):
        if query not in texts:
            raise DatasetError(f"{where}: query {query} has no text; add it to the queries' file")
        image = place.setdefault(_image(folder, document), len(place))
        if (before := judged.get((query, image))) is None:
            judged[query, image] = grade
        elif before == grade:
            n_repeated += 1
        else:
            raise DatasetError(f"{where}: {document} is judged {grade} here and {before} before")
    grades: dict[str, dict[int, int]] = {query: {} for query in texts}
    for (query, image), grade in judged.items():
        if grade > 0:
            grades[query][image] = grade
    if not any(grades.values()):
        raise DatasetError(
            f"{path}: none of {len(judged)} judgements is above 0, so no query has an answer;"
            f" {_EXPECTED_LINE}"
        )
    for image_path in _images_below(folder, suffixes):
        place.setdefault(image_path, len(place))
    return QrelsDataset(
        images=list(place),
        query_ids=list(texts),
        queries=list(texts.values()),
        grades=list(grades.values()),
        n_repeated=n_repeated,
    )


def _judgements(path: Path) -> Iterator[tuple[str, str, str, int]]:
    """Where a line stands, its query, its document and its grade."""
    empty = True
    for number, line in enumerate(_lines(path), start=1):
        columns = line.split()
        if not columns:
            continue
        empty = False
        where = f"{path}, line {number}"
        try:
            query, _, document, grade = columns
            yield where, query, document, int(grade)
        except ValueError:
            raise DatasetError(f"{where}: not a judgement; {_EXPECTED_LINE}") from None
    if empty:
        raise DatasetError(f"{path}: the file is empty; {_EXPECTED_LINE} per line")


def _queries(folder: Path) -> dict[str, str]:
    """The words by the query's id."""
    texts: dict[str, str] = {}
    tsv, jsonl = folder / "queries.tsv", folder / "queries.jsonl"
    file = tsv if tsv.is_file() else jsonl
    if not file.is_file():
        raise DatasetError(
            f"{folder}: the qrels have no queries beside them; add {_EXPECTED_QUERIES}"
        )
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        query, text = _tsv_query(line) if file == tsv else _json_query(line, where)
        if not query or not text:
            raise DatasetError(f"{where}: no query's id or no words; expected {_EXPECTED_QUERIES}")
        if texts.setdefault(query, text) != text:
            raise DatasetError(
                f"{where}: query {query} was another text before; give it its own id"
            )
    if not texts:
        raise DatasetError(f"{file}: the file is empty; expected {_EXPECTED_QUERIES}")
    return texts


def _tsv_query(line: str) -> tuple[str, str]:
    query, _, text = line.partition("\t")
    return query.strip(), text.strip()


def _json_query(line: str, where: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise DatasetError(f"{where}: not JSON; expected {_EXPECTED_QUERIES}") from None
    if not isinstance(row, dict):
        raise DatasetError(f"{where}: not an object; expected {_EXPECTED_QUERIES}")
    query = next((row[key] for key in ("_id", "id", "query_id") if key in row), "")
    return str(query), str(row.get("text") or "").strip()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: not UTF-8; save it in that encoding") from None
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror}; give a qrels.txt") from None


def _image(folder: Path, document: str) -> Path:
    """The path that a document's id means; the id as it is where such a file exists."""
    literal = Path(os.path.abspath(folder / document))
    return literal if literal.is_file() else Path(os.path.abspath(folder / unquote(document)))


def _images_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Every image in the folder and its folders that is not hidden, by path."""
    found: list[Path] = []
    for inside, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        shown = (Path(inside, name) for name in files if not name.startswith("."))
        found += [file for file in shown if file.suffix.lower() in suffixes]
    return sorted(found)
