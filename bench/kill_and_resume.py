#!/usr/bin/env python3
"""Runs a training to its end, and again with kill -9 at random moments, resumed each time: both must end in the same bytes.

    python3 bench/kill_and_resume.py config.yaml --kills 15

The configuration saves checkpoints (save_steps) and names no output_dir. What a killed run was doing is told by its last line. Ends with exit
code 1 where the results differ or something of a killed run is left behind.
"""

import argparse
import hashlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FINETUNE = pathlib.Path(__file__).resolve().parent.parent / "finetune"


def train(config, output, resume, log):
    command = [str(FINETUNE), "train", config, f"output_dir={output}", "report_to=none"]
    if resume:
        command.append("resume_from_checkpoint=true")
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)


def result(output):
    files = sorted(output.glob("*.safetensors"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest() if files else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    root = pathlib.Path(tempfile.mkdtemp(prefix="kills"))
    with open(root / "log", "w") as log:
        begin = time.time()
        if train(arguments.config, root / "whole", False, log).wait() != 0:
            sys.exit((root / "log").read_text()[-2000:])
        seconds = time.time() - begin
        expected = result(root / "whole")
        kills = 0
        while result(root / "killed") is None:
            checkpoints = list((root / "killed").glob("checkpoint-*"))
            if not checkpoints:
                shutil.rmtree(root / "killed", ignore_errors=True)
            run = train(arguments.config, root / "killed", bool(checkpoints), log)
            try:
                # Later than the start of the program, which would only be killed before it did anything.
                run.wait(2 + moments.random() * max(1, seconds / 3) if kills < arguments.kills else None)
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
                kills += 1
                steps = sorted(int(path.name.split("-")[1]) for path in (root / "killed").glob("checkpoint-*"))
                last = (root / "log").read_text().strip().splitlines()[-1:]
                print(f"kill {kills}: checkpoints {steps}, last said: {last[0][:100] if last else ''}", flush=True)
            else:
                if run.returncode != 0:
                    sys.exit((root / "log").read_text()[-2000:])
    left = [path.name for path in (root / "killed").iterdir() if "partial" in path.name or path.name.startswith(".")]
    same = result(root / "killed") == expected
    print(f"{kills} kills, {'the same bytes' if same else 'OTHER BYTES'}, left behind: {left or 'nothing'}")
    shutil.rmtree(root)
    sys.exit(0 if same and not left else 1)


if __name__ == "__main__":
    main()
