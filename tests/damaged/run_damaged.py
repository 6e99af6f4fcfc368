#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: run_damaged.py BINARY [FOLDER]

Runs BINARY over every case of make_damaged.py. A damaged model must give one line on stderr that names the
damage, a plain non-zero exit, within a second and 64 MiB, and no file that looks finished."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SECONDS, MIB, GIVE_UP = 1.0, 64, 20.0


def run(command):
    """(return code, stderr, seconds, peak MiB); a negative code is a signal"""
    with tempfile.TemporaryFile() as errors:
        start = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        while True:
            done, status, usage = os.wait4(child.pid, os.WNOHANG)
            if done:
                break
            if time.monotonic() - start > GIVE_UP:
                child.kill()
                _, status, usage = os.wait4(child.pid, 0)
                break
            time.sleep(0.002)
        seconds = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        return child.returncode, errors.read().decode(errors="replace"), seconds, usage.ru_maxrss / 1024


def complaints(case, code, errors, seconds, mib, out):
    if case["error"] is None:
        return [] if code == 0 else [f"exit {code}: {errors.strip()}"]
    lines = errors.splitlines()
    found = []
    if code <= 0:
        found.append(f"exit {code}")
    if len(lines) != 1:
        found.append(f"{len(lines)} lines on stderr")
    if case["error"].lower() not in errors.lower():
        found.append(f"wanted '{case['error']}' in the message")
    if seconds > SECONDS:
        found.append(f"{seconds:.1f} s")
    if mib > MIB:
        found.append(f"{mib:.0f} MiB")
    left = [p.name for p in out.rglob("*") if p.is_file() and p.suffix in (".safetensors", ".gguf")] if out.exists() else []
    if left or (out / "config.json").exists():
        found.append(f"left {left or 'config.json'} behind")
    if found:
        found.append("stderr: " + " | ".join(lines[:3])[:300])
    return found


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else scratch) / "damaged"
        maker = pathlib.Path(__file__).with_name("make_damaged.py")
        subprocess.run([sys.executable, "-B", str(maker), str(folder)], check=True)
        failed = passed = 0
        for case in json.loads((folder / "manifest.json").read_text()):
            out = pathlib.Path(scratch) / "out" / case["name"]
            args = [part.replace("{dir}", str(folder)).replace("{out}", str(out)) for part in case["args"]]
            found = complaints(case, *run([binary, *args]), out)
            failed, passed = failed + bool(found), passed + (not found)
            if found:
                print(f"FAIL {case['name']}: {'; '.join(found)}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
