#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nothing is lost: kill_test.py BINARY MODEL [--kills 50] [--seed 0] [--scheme nvfp4] [--recipe mr-gptq]

Quantizes MODEL once undisturbed, then again with a SIGKILL at random moments, each time resumed. Every
finished folder must equal the first one byte for byte; so must a second run and runs on 1 and 2 threads.
A changed option, text or model is refused on resume. A full disk leaves no file under a final name.
"""
import argparse
import hashlib
import json
import random
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path


class Bench:
    def __init__(self, arguments, folder: Path):
        self.a, self.folder = arguments, folder
        self.tokens = folder / "calibration.i32"
        described = folder / "inspect.json"
        subprocess.run([self.a.binary, "inspect", self.a.model, "--json", described], check=True,
                       stdout=subprocess.DEVNULL)
        vocabulary = json.loads(described.read_text())["vocabulary"]
        draw = random.Random(self.a.seed)
        ids = [draw.randrange(vocabulary) for _ in range(self.a.sequences * self.a.length)]
        self.tokens.write_bytes(struct.pack(f"<{len(ids)}i", *ids))

    def command(self, out: Path, threads: int = 2, **changed) -> list:
        o = {"scheme": self.a.scheme, "recipe": self.a.recipe, "calibration": self.tokens, "seed": 0,
             "model": self.a.model} | changed
        return [self.a.binary, "quantize", o["model"], out, "--scheme", o["scheme"], "--recipe", o["recipe"],
                "--calibration", o["calibration"], "--sequences", str(self.a.sequences), "--sequence-length",
                str(self.a.length), "--seed", str(o["seed"]), "--threads", str(threads), "--resume"]

    def finish(self, out: Path, **changed) -> float:
        begin = time.monotonic()
        done = subprocess.run(self.command(out, **changed), capture_output=True, text=True)
        check(done.returncode == 0, f"a run failed: {done.stderr.strip()}")
        return time.monotonic() - begin


def check(good: bool, text: str) -> None:
    if not good:
        sys.exit(f"kill_test: FAILED: {text}")


def digest(folder: Path) -> dict:
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
            for f in sorted(folder.rglob("*")) if f.is_file()}


def compare(out: Path, wanted: dict, what: str) -> None:
    got = digest(out)
    different = sorted(name for name in wanted.keys() | got.keys() if wanted.get(name) != got.get(name))
    check(not different, f"{what}: these files differ: {', '.join(different)}")


def kill_and_resume(bench: Bench, wanted: dict, whole: float) -> None:
    draw, out = random.Random(bench.a.seed + 1), bench.folder / "killed"
    kills = finished = 0
    while kills < bench.a.kills:
        process = subprocess.Popen(bench.command(out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            _, err = process.communicate(timeout=draw.uniform(0.01, 0.4 * whole))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            continue
        check(process.returncode == 0, f"after {kills} kills: {err.strip()}")
        compare(out, wanted, f"after {kills} kills")
        finished += 1
        shutil.rmtree(out)
    bench.finish(out)
    compare(out, wanted, f"after {kills} kills")
    print(f"{kills} kills, {finished + 1} finished outputs, all equal")


def refused(bench: Bench) -> None:
    out = bench.folder / "refused"
    process = subprocess.Popen(bench.command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = None
    while process.poll() is None and journal is None:
        journal = next((f for f in out.rglob("run.json")), None) if out.exists() else None
        time.sleep(0.005)
    process.kill()
    process.wait()
    other = bench.folder / "other.i32"
    other.write_bytes(bench.tokens.read_bytes()[::-1][: 4 * bench.a.length].translate(bytes(256)))
    another = "nvfp4" if bench.a.scheme == "mxfp4" else "mxfp4"
    for changed in ({"seed": 1}, {"recipe": "gptq"}, {"scheme": another}, {"calibration": other}):
        done = subprocess.run(bench.command(out, **changed), capture_output=True, text=True)
        check(done.returncode != 0, f"{changed} was not refused on resume")
        check(done.stderr.startswith("halfbyte: ") and done.stderr.count("\n") == 1, f"{changed}: {done.stderr}")
    print("changed seed, recipe, scheme, data: refused")


def full_disk(bench: Bench) -> None:
    out = bench.folder / "full"
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
    done = subprocess.run(bench.command(out), capture_output=True, text=True, preexec_fn=limit, restore_signals=False)
    check(done.returncode == 1, f"a full disk gave status {done.returncode}: {done.stderr.strip()}")
    last = done.stderr.strip().splitlines()[-1]
    check(last.startswith("halfbyte: "), f"a full disk said: {last}")
    final = [f.name for f in out.glob("*") if f.is_file()] if out.exists() else []
    check(not final, f"a full disk left {final}")
    print(f"full disk: {last}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("model")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scheme", default="nvfp4")
    parser.add_argument("--recipe", default="mr-gptq")
    parser.add_argument("--sequences", type=int, default=4)
    parser.add_argument("--length", type=int, default=64)
    with tempfile.TemporaryDirectory(prefix="halfbyte-kill.") as name:
        bench = Bench(parser.parse_args(), Path(name))
        first = bench.folder / "first"
        whole = bench.finish(first)
        wanted = digest(first)
        print(f"one run: {whole:.1f} s, {len(wanted)} files")
        for threads in (1, 2):
            again = bench.folder / f"threads-{threads}"
            bench.finish(again, threads=threads)
            compare(again, wanted, f"{threads} threads")
            shutil.rmtree(again)
        bench.finish(first)
        compare(first, wanted, "a finished output, resumed")
        print("1 and 2 threads, twice in a row: all equal")
        kill_and_resume(bench, wanted, whole)
        refused(bench)
        full_disk(bench)
    print("kill_test: passed")


main()
