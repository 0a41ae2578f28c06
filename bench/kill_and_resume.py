#!/usr/bin/env python3
"""Kills trainings with kill -9 where it hurts, resumes them, and compares the end with that of a run that nobody killed.

    python3 bench/kill_and_resume.py ppo.yaml grpo.yaml dpo.yaml --kills 15

A third of the kills each come in the middle of a rollout, between a rollout and the step that ends its round (of a training without
rollouts: within a step), and while a checkpoint is written. Where a kill came is read from the files: answers are logged at the end of a
rollout, metrics after every step, and a checkpoint that is not finished lies in the output directory under a name of its own. The
configurations save checkpoints (save_steps) and name no output_dir. Prints a row of a table for each, and ends with exit code 1 where
results differ, steps are missing from the metrics or told twice, or something of a killed run is left behind.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FINETUNE = str(pathlib.Path(__file__).resolve().parent.parent / "finetune")
ROLLOUT, STEP, SAVING = "rollout", "minibatch", "saving"


class Watch:
    """What the files of a run say of what it is doing."""

    def __init__(self, output, steps_per_round):
        self.output = output
        self.steps_per_round = steps_per_round
        self.began = self.rounds()
        self.stepped = self.steps()
        self.answered = self.position = 0
        self.knows = False

    def rounds(self):
        try:
            return (self.output / "completions.jsonl").stat().st_ino
        except OSError:
            return 0

    def steps(self):
        try:
            return (self.output / "metrics.jsonl").read_text().count('"event":"step"')
        except OSError:
            return 0

    def saving(self):
        try:
            return any(name.startswith(".checkpoint") for name in os.listdir(self.output))
        except OSError:
            return False

    def phase(self):
        """What the run does now, or None before it did anything."""
        if self.saving():
            return SAVING
        rounds, steps = self.rounds(), self.steps()
        if steps != self.stepped:
            self.position += max(0, steps - self.stepped)
            self.stepped, self.knows = steps, True
        if rounds != self.began:
            self.began, self.position, self.knows = rounds, 0, True
        if not self.knows:
            return None
        return ROLLOUT if self.steps_per_round and self.position >= self.steps_per_round else STEP


def start(finetune, config, output, resume, log):
    command = [*finetune, "train", config, f"output_dir={output}", "logging_steps=1"]
    if resume:
        command.append("resume_from_checkpoint=true")
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)


def result(output):
    files = sorted(output.glob("*.safetensors"))
    files = [file for file in files if not file.name.startswith("reference-logprobs")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest() if files else None


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def steps(output):
    return [event["step"] for event in lines(output / "metrics.jsonl") if event["event"] == "step"]


def spans(finetune, config, output, log):
    """Runs to the end; how long each phase was, the longest one of each counted out."""
    run = start(finetune, config, output, False, log)
    watch, long, last, since = Watch(output, 0), {}, None, time.time()
    while run.poll() is None:
        phase = SAVING if watch.saving() else STEP
        if phase != last:
            long.setdefault(last, []).append(time.time() - since)
            last, since = phase, time.time()
        time.sleep(0.001)
    if run.returncode != 0:
        sys.exit(pathlib.Path(log.name).read_text()[-2000:])
    return {phase: sorted(times)[len(times) // 2] for phase, times in long.items() if phase}


def kill_once(run, watch, wanted, span, moments):
    """Kills the run in a phase, in the middle of it; the phase that it was in, or None where it ended first."""
    while run.poll() is None:
        if watch.phase() == wanted:
            time.sleep(moments.random() * span)
            if watch.phase() != wanted:
                continue
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            return watch.phase()
        time.sleep(0.0005)
    return None


def check(finetune, config, kills, moments, root):
    name = pathlib.Path(config).stem
    with open(root / "log", "w") as log:
        span = spans(finetune, config, root / "whole", log)
        expected, all_steps = result(root / "whole"), steps(root / "whole")
        rounds = {line["round"] for line in lines(root / "whole/completions.jsonl")}
        per_round = len(all_steps) // len(rounds) if rounds else 0
        wanted = [ROLLOUT, STEP, SAVING] if rounds else [STEP, SAVING]
        done = dict.fromkeys(wanted, 0)
        output, same, resumed = root / "killed", True, 0
        while True:
            checkpoints = list(output.glob("checkpoint-*"))
            if not checkpoints or result(output) is not None:
                if result(output) is not None:
                    same &= whole(root, expected, all_steps)
                if same and sum(done.values()) >= kills:
                    break
                if not same:
                    break
                shutil.rmtree(output, ignore_errors=True)
                checkpoints = []
            run = start(finetune, config, output, bool(checkpoints), log)
            resumed += bool(checkpoints)
            phase = min(wanted, key=lambda phase: done[phase])
            if done[phase] < kills / len(wanted):
                was = kill_once(run, Watch(output, per_round), phase, span.get(phase, 0.05) / 2, moments)
                if was:
                    done[was] += 1
                    continue
            if run.wait() != 0:
                sys.exit((root / "log").read_text()[-2000:])
    left = [path.name for path in output.iterdir() if path.name.startswith(".")]
    numbers = " | ".join(str(done.get(phase, "")) for phase in (ROLLOUT, STEP, SAVING))
    print(f"| {name} | {numbers} | {resumed} | {'the same bytes' if same else 'OTHER BYTES'} | {', '.join(left) or 'nothing'} |", flush=True)
    return same and not left


def whole(root, expected, all_steps):
    """Whether the killed run ended as the other one did."""
    output = root / "killed"
    told = steps(output)
    if told != all_steps:
        print(f"steps told: {told}, expected {all_steps}", flush=True)
    answers = lines(root / "whole/completions.jsonl") == lines(output / "completions.jsonl")
    if not answers:
        print("other answers in completions.jsonl", flush=True)
    return result(output) == expected and told == all_steps and answers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+")
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--finetune", default=FINETUNE)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    print("| run | killed in a rollout | in a minibatch | while saving | resumed | ended in | left behind |\n|---|---|---|---|---|---|---|")
    good = True
    for config in arguments.configs:
        root = pathlib.Path(tempfile.mkdtemp(prefix="kills"))
        try:
            good &= check(arguments.finetune.split(), config, arguments.kills, moments, root)
        finally:
            shutil.rmtree(root)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
