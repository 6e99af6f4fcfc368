# SPDX-License-Identifier: Apache-2.0
"""Compares our chat templates with jinja2: oracle_chat.py FOLDER TEST_PROGRAM
FOLDER holds *.jinja; TEST_PROGRAM is the built test_text. Prints for each template how many conversations render the
same, are refused by us alone, or differ. Exit 1 when one differs."""
import json
import pathlib

import subprocess
import sys
import tempfile

import chat_reference


def run(cases, program):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for case in cases:
            file.write(json.dumps(case) + "\n")
        file.flush()
        done = subprocess.run([program, "--gtest_filter=Oracle.ChatReport"], capture_output=True, check=False,
                              env={"HALFBYTE_CHAT_REPORT": file.name, "PATH": "/usr/bin:/bin"})
    return [json.loads(line[5:]) for line in done.stdout.decode().split("\n") if line.startswith("case ")]


def main():
    folder, program = sys.argv[1:3]
    bad = equal_templates = 0
    paths = sorted(pathlib.Path(folder).glob("*.jinja"))
    for path in paths:
        source = path.read_text(encoding="utf-8")
        cases = [{"name": name, "template": source, "variables": variables, "expected": chat_reference.render(source, variables)}
                 for name, variables in chat_reference.conversations()]
        answers = run(cases, program)
        assert len(answers) == len(cases), f"{path}: the program died at case {len(answers)}"
        same = sum(a["got"] == c["expected"] for a, c in zip(answers, cases))
        refused = [(c, a) for c, a in zip(cases, answers) if a["got"] is None and c["expected"] is not None]
        differ = [(c, a) for c, a in zip(cases, answers) if a["got"] is not None and a["got"] != c["expected"]]
        equal_templates += same == len(cases)
        bad += len(differ)
        rendered = sum(c["expected"] is not None for c in cases)
        print(f"{path.name}: {same}/{len(cases)} same ({rendered} render), {len(refused)} refused by us alone, {len(differ)} differ")
        for case, answer in refused[:1]:
            print("   refused:", case["name"], answer["error"])
        for case, answer in differ[:2]:
            print("   differs:", case["name"], "\n    wanted", repr(case["expected"]), "\n    got   ", repr(answer["got"]))
    print(f"{equal_templates} of {len(paths)} templates equal in every conversation; {bad} different outputs")
    sys.exit(bad > 0)


main()
