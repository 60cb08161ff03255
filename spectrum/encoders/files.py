"""The files of a model: found on disk or in the Hugging Face cache, and hashed.

The cache is asked first, so a model that was downloaded once needs no network again and does not
change when its authors publish a revision.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from spectrum.encoders.protocol import ModelUnavailableError

_DIGEST_BYTES = 16

_file_digests: dict[tuple[str, int, int], str] = {}
"""Digest by (path, size, mtime in ns). Lives as long as the process: an edit made within the
clock's resolution that keeps the size would go unseen for ever in a cache on disk."""


def weights_hash(files: Sequence[Path], *, configuration: str = "") -> str:
    """BLAKE2b-128 of files, in 32 hexadecimal digits: names and bytes, not the folder.

    `configuration` joins in: what else decides the vectors, such as the architecture, since the
    same weights under another activation function are another encoder.

    Raises OSError if a file cannot be read.
    """
    whole = hashlib.blake2b(configuration.encode(), digest_size=_DIGEST_BYTES)
    for file in sorted(files, key=lambda file: file.name):
        whole.update(f"\n{file.name}={_file_digest(file)}".encode())
    return whole.hexdigest()


def _file_digest(file: Path) -> str:
    status = file.stat()
    key = (str(file.resolve()), status.st_size, status.st_mtime_ns)
    if key not in _file_digests:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES))
        _file_digests[key] = digest.hexdigest()
    return _file_digests[key]


def hub_file(repository: str, names: Sequence[str]) -> Path:
    """The first of `names` that a Hugging Face repository has: cached, or downloaded now.

    Raises ModelUnavailableError if it is not cached and cannot be downloaded.
    """
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        cached = try_to_load_from_cache(repository, name)
        if isinstance(cached, str):
            return Path(cached)
    for name in names:
        file = _download(repository, [name]) / name
        if file.is_file():
            return file
    raise ModelUnavailableError(
        f"model '{repository}' on huggingface.co has none of {', '.join(names)}:"
        " download its weights by hand and give their local path"
    )


def hub_folder(
    repository: str, patterns: Sequence[str], *, is_complete: Callable[[Path], bool]
) -> Path:
    """A local folder with the files of a Hugging Face repository that match `patterns`.

    A cached folder is taken if `is_complete` says so.

    Raises ModelUnavailableError if it is not cached and cannot be downloaded.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        # Without patterns: whether what is here is enough is for `is_complete` to say.
        cached = Path(snapshot_download(repository, local_files_only=True))
        if is_complete(cached):
            return cached
    except HFValidationError:
        raise ModelUnavailableError(
            f"'{repository}' is neither a local folder nor a model id: give an existing folder,"
            " or an id such as google/siglip-base-patch16-224"
        ) from None
    except (LocalEntryNotFoundError, OSError):
        pass  # nothing usable is cached, which the download below mends
    return _download(repository, patterns)


def first_line(error: BaseException) -> str:
    """What an error says, short enough to stand inside a one-line message."""
    lines = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
    return text if len(text) <= 200 else f"{text[:197]}..."


def _download(repository: str, patterns: Sequence[str]) -> Path:
    """Folder with the files of a repository that match `patterns`, fetched if need be.

    Files in subfolders are other formats of the same weights, and stay where they are.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    missing = f"model '{repository}' is not in the cache {constants.HF_HUB_CACHE}"
    if constants.HF_HUB_OFFLINE:
        raise ModelUnavailableError(
            f"{missing} and HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids a download:"
            " set HF_HUB_OFFLINE=0 for one run, or give a local path"
        )
    try:
        return Path(
            snapshot_download(repository, allow_patterns=list(patterns), ignore_patterns=["*/*"])
        )
    except RepositoryNotFoundError:
        raise ModelUnavailableError(
            f"model '{repository}' is not on huggingface.co, or is closed to you:"
            " check the id, or run 'hf auth login'"
        ) from None
    # The ways in which a download fails are many, and the advice is one.
    except Exception as error:
        raise ModelUnavailableError(
            f"{missing} and could not be downloaded ({first_line(error)}):"
            " connect to the network for one run, or give a local path"
        ) from None
