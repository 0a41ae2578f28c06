#!/usr/bin/env python3
"""Peak memory of trainings with states and weights in files, beside the same ones in memory.

    python bench/offload_memory.py [--shape smol135] [--directory /disk] [--finetune ./finetune]

Needs transformers, and mpirun for two ranks. Full fine-tuning in float32 with AdamW, random weights, --batch rows of --seq tokens a rank;
memory is the largest rank's, of which the system counts what is not mapped from a file (RssAnon) and what is (RssFile); read every 50 ms.
"""

import argparse
import json
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

import dist_against_torch as ranks

KINDS = [(), ("offload_optimizer",), ("offload_param",), ("offload_optimizer", "offload_param")]


def rss(pid):
    found = {"RssAnon": 0, "RssFile": 0}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in found:
            found[name] = int(value.split()[0]) * 1024
    return found


def below(launcher):
    children = {}
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            children.setdefault(int(status.read_text().rsplit(")", 1)[1].split()[1]), []).append(int(status.parent.name))
        except OSError:
            pass
    all_of_them = [launcher]
    for pid in all_of_them:
        all_of_them.extend(children.get(pid, []))
    return all_of_them


def run(processes, stage, kinds, options, directory):
    out = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=directory))
    settings = [f"{kind}={out}/files" for kind in kinds]
    command = ["train"] if processes == 1 else ["launch", "--nproc", str(processes), "train"]
    said = out / "said.txt"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [*options.finetune, *command, str(directory / "config.yaml"), f"output_dir={out}/run", f"zero_stage={stage}",
             f"gradient_accumulation_steps={processes}", *settings],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=ranks.environment())
        most = {"RssAnon": 0, "RssFile": 0, "together": 0}
        while process.poll() is None:
            for pid in below(process.pid):
                try:
                    found = rss(pid)
                except OSError:
                    continue
                for name, value in found.items():
                    most[name] = max(most[name], value)
                most["together"] = max(most["together"], sum(found.values()))
            time.sleep(0.05)
    if process.returncode:
        sys.exit(said.read_text()[-3000:])
    steps = [event for event in map(json.loads, (out / "run" / "metrics.jsonl").read_text().splitlines())
             if event["event"] == "step"]
    ends = [event["elapsed_seconds"] for event in steps]
    losses = [event["loss"] for event in steps]
    return most, statistics.median(later - earlier for earlier, later in zip(ends, ends[1:])), losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=ranks.SHAPES, default="smol135")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seq", type=int, default=128)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--layouts", default="1:0,2:3", help="processes:zero_stage, ...")
    parser.add_argument("--finetune", type=shlex.split, default=["./finetune"])
    parser.add_argument("--directory", help="on the disk that is used")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as made:
        directory = pathlib.Path(made)
        ranks.write_inputs(options, directory)
        (directory / "config.yaml").write_text(f"""model_name_or_path: {directory}/model
train_file: {directory}/text.txt
method: full
dtype: float32
optim: adamw
learning_rate: 1e-4
per_device_train_batch_size: {options.batch}
max_steps: {options.steps}
max_length: {options.seq}
threads: 1
num_preview_samples: 0
save_strategy: "no"
report_to: html
""")
        print("| processes | zero_stage | in files | most of one, MB | not mapped | seconds a step |")
        print("|---|---|---|---|---|---|")
        for layout in options.layouts.split(","):
            processes, stage = map(int, layout.split(":"))
            expected = None
            for kinds in KINDS:
                most, seconds, losses = run(processes, stage, kinds, options, directory)
                expected = expected or losses
                if losses != expected:
                    sys.exit(f"{kinds}: the losses are {losses}, expected {expected}")
                print(f"| {processes} | {stage} | {', '.join(kinds) or 'nothing'} | {most['together'] / 1e6:,.0f} |"
                      f" {most['RssAnon'] / 1e6:,.0f} | {seconds:.2f} |", flush=True)


main()
