"""What was measured against what is wanted: printed, kept in ``history.jsonl``, and told again.

    python bench/goals.py [G1 REL-05 ...]

prints the last figures of each goal beside those of the measurement before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

HISTORY = Path(__file__).parent / "history.jsonl"
LARGE = 1000
SHOWN = "{:9}{:48}{:>12}{:>14}{:>8}"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number, and the bound that it has to keep.

    :ivar goal: as the performance goals (G1 to G10) or the reliability goals (REL-01 to REL-12) name it.
    :ivar bound: whether ``wanted`` is the ``least`` or the ``most`` that the value may be.
    :ivar unit: ``%`` for shares (0.8 is 80 %), ``x`` for multiples, else what stands behind the number.
    """

    goal: str
    what: str
    value: float
    wanted: float
    bound: Literal["least", "most"]
    unit: str = "%"

    @property
    def met(self) -> bool:
        """Whether the bound is kept."""
        if self.bound == "least":
            return self.value >= self.wanted
        return self.value <= self.wanted


def at_least(goal: str, what: str, value: float, wanted: float, unit: str = "%") -> Figure:
    """Return a figure that may not be below its bound."""
    return Figure(goal=goal, what=what, value=value, wanted=wanted, bound="least", unit=unit)


def at_most(goal: str, what: str, value: float, wanted: float, unit: str = "%") -> Figure:
    """Return a figure that may not be above its bound."""
    return Figure(goal=goal, what=what, value=value, wanted=wanted, bound="most", unit=unit)


def keeping(parser: argparse.ArgumentParser) -> None:
    """Give a program the option that keeps its figures."""
    parser.add_argument(
        "--keep", action="store_true", help="add the figures to bench/history.jsonl"
    )


def in_rounds(description: str | None, seconds: int) -> argparse.ArgumentParser:
    """Return what reads the command line of a program that measures in rounds, and may keep figures.

    :param seconds: that a measurement takes if nothing else is asked for.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seconds", type=int, default=seconds)
    parser.add_argument("--rounds", type=int, default=3)
    keeping(parser)
    return parser


def report(figures: Sequence[Figure], *, keep: bool = False) -> None:
    """Print figures beside their bounds; keep them if that is asked for."""
    print()
    print(SHOWN.format("goal", "", "measured", "wanted", ""))
    for one in figures:
        print(_line(one))
    if keep:
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": _commit(),
            "machine": f"{os.cpu_count()} x {_processor()}, Python {sys.version.split()[0]}",
            "figures": [asdict(one) for one in figures],
        }
        with HISTORY.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def main() -> None:
    """Print the last figures, and what they were before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("goals", nargs="*")
    options = parser.parse_args()
    last: dict[tuple[str, str], list[tuple[dict[str, Any], Figure]]] = {}
    for entry, figure in history():
        last.setdefault((figure.goal, figure.what), []).append((entry, figure))
    print(SHOWN.format("goal", "", "measured", "wanted", "") + "  before")
    for (goal, _), kept in sorted(last.items(), key=lambda item: _order(item[0])):
        if options.goals and goal not in options.goals:
            continue
        before = _told(kept[-2][1], kept[-2][1].value) if len(kept) > 1 else ""
        print(f"{_line(kept[-1][1])}  {before:10} {kept[-1][0]['at'][:10]} {kept[-1][0]['commit']}")


def history() -> Iterator[tuple[dict[str, Any], Figure]]:
    """Yield every figure that was kept, the oldest first, with the measurement it belongs to."""
    if not HISTORY.exists():
        return
    for line in HISTORY.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        for figure in entry["figures"]:
            yield entry, Figure(**figure)


def _line(one: Figure) -> str:
    sign = ">=" if one.bound == "least" else "<="
    wanted = f"{sign} {_told(one, one.wanted)}"
    return SHOWN.format(
        one.goal, one.what, _told(one, one.value), wanted, "" if one.met else "missed"
    )


def _told(figure: Figure, value: float) -> str:
    if figure.unit == "%":
        return f"{value:.1%}"
    shown = f"{value:.3g}" if value < LARGE else f"{value:,.0f}"
    return f"{shown} {figure.unit}"


def _order(key: tuple[str, str]) -> tuple[bool, int, str]:
    goal, what = key
    return goal.startswith("REL"), int("".join(filter(str.isdigit, goal)) or 0), what


def _commit() -> str:
    asked: Iterable[str] = ("git", "-C", str(HISTORY.parent), "describe", "--always", "--dirty")
    done = subprocess.run(list(asked), capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return os.uname().machine
    names = [line.partition(":")[2].strip() for line in info.splitlines() if "model name" in line]
    return names[0] if names else os.uname().machine


if __name__ == "__main__":
    main()
