"""ONNX Runtime sessions: opened at first use, quiet, safe to share between threads."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectrum.encoders.protocol import ModelUnavailableError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class OnnxModel:
    """One ONNX file, computed on the CPU. Nothing is read before the first `run`.

    `threads` is the number of threads within an operator; 0 leaves it to ONNX Runtime. `content`
    reads the model where it is no file of its own; `path` then only names it.
    """

    def __init__(
        self, path: Path, *, threads: int = 0, content: Callable[[], bytes] | None = None
    ) -> None:
        self.path = path
        self.threads = threads
        self._content = content
        self._lock = threading.Lock()
        self._session: InferenceSession | None = None

    def run(
        self, outputs: Sequence[str], entering: np.ndarray[Any, np.dtype[Any]]
    ) -> list[np.ndarray[Any, np.dtype[Any]]]:
        """The named outputs for one input; others are not computed.

        Raises ModelUnavailableError if the file is absent or is no ONNX model.
        """
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = 3
        options.only_execute_path_to_fetches = True
        session = self._opened()
        name = session.get_inputs()[0].name
        return list(session.run(list(outputs), {name: entering}, options))

    def _opened(self) -> "InferenceSession":
        with self._lock:
            if self._session is None:
                self._session = self._open()
            return self._session

    def _open(self) -> "InferenceSession":
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as states

        if self._content is None and not self.path.is_file():
            raise ModelUnavailableError(
                f"{self.path}: no such file; install the package again or name another folder"
            )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = self.threads
        # A search waits for photographs, not for a spinning thread: leave the cores to others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        model = str(self.path) if self._content is None else self._content()
        try:
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except (
            states.Fail,
            states.InvalidArgument,
            states.InvalidGraph,
            states.InvalidProtobuf,
        ) as error:
            said = str(error).splitlines()[0]
            raise ModelUnavailableError(
                f"{self.path}: not a readable ONNX model ({said}); get the file again"
            ) from error
