#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The quickstart's table from its JSON files: quickstart_table.py FOLDER BASELINE NAME..."""
import json
import sys
from pathlib import Path

HEAD = ["model", "bits/weight", "size MB", "perplexity", "KL", "top-1", "quantize s", "eval s"]


def megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
    return sum(f.stat().st_size for f in files) / 1e6


def row(folder: Path, name: str, model: Path) -> list[str]:
    measured = json.loads((folder / f"{name}.eval.json").read_text())
    inspected = json.loads((folder / f"{name}.inspect.json").read_text())
    made = folder / f"{name}.quantize.json"
    seconds = f'{json.loads(made.read_text())["seconds"]:.0f}' if made.exists() else "-"
    loss = [f'{measured[key]:.3f}' if measured[key] is not None else "-" for key in ("kl", "top1")]
    return [name, f'{inspected["linears"]["bits_per_weight"]:.2f}', f"{megabytes(model):.0f}",
            f'{measured["perplexity"]:.2f}', *loss, seconds,
            f'{measured["seconds"]:.0f}']


def main() -> None:
    folder, baseline, names = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    rows = [HEAD, row(folder, "baseline", baseline)] + [row(folder, name, folder / name) for name in names]
    widths = [max(len(r[c]) for r in rows) for c in range(len(HEAD))]
    for r in rows:
        print("  ".join([r[0].ljust(widths[0])] + [cell.rjust(w) for cell, w in zip(r[1:], widths[1:])]))


main()
