"""What a figure was measured on, as one line under its table."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version


def machine_line(*packages: str) -> str:
    """Processor, cores, Python, the packages' versions, and the day."""
    processor = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        processor = names[0] if names else processor
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    day = datetime.now(UTC).date()
    return (
        f"{processor}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" {versions}; {day}"
    )
