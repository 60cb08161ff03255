"""A cold `spectrum search`: seconds from the start of the process to its end.

python benchmarks/first_answer.py LIBRARY [WORDS] [RUNS]

Also says whether the process imported torch. Files are in the system's cache after the first run,
which is not counted.
"""

import statistics
import subprocess
import sys
import time

from machine import machine_line

CHILD = """
import sys
from retrieval.cli.main import main
try:
    main()
except SystemExit as stopped:
    print("torch" if "torch" in sys.modules else "no torch", file=sys.stderr)
    raise
"""


def main() -> None:
    library = sys.argv[1]
    words = sys.argv[2] if len(sys.argv) > 2 else "two dogs playing on grass"
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 7
    command = [sys.executable, "-c", CHILD, "search", words, "--format", "json", "-l", library]
    seconds = []
    for _ in range(runs + 1):
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - start)
    counted = seconds[1:]
    print("| cold search, seconds, median | min | max | imports |\n| --- | --- | --- | --- |")
    print(
        f"| {statistics.median(counted):.2f} | {min(counted):.2f} | {max(counted):.2f}"
        f" | {done.stderr.split(chr(10))[-2]} |"
    )
    print(f"\n{runs} runs after one that is not counted.")
    print(machine_line("onnxruntime", "faiss-cpu", "sqlalchemy"))


if __name__ == "__main__":
    main()
