#!/usr/bin/env python3
"""Kills, stops and cuts off ranks of a training on two hosts at random moments, and goes on from the last checkpoint.

    sudo bench/rank_failures.py --model DIRECTORY [--runs 20] [--finetune ./finetune]

The hosts are network namespaces that the script makes, with one cable between them; mpirun runs across them. Each run is disturbed once:
kill -9 of a rank, SIGSTOP of a rank, or the cable taken out, in turn. The launcher has to end by itself with one line that names the rank,
and nothing of it may be left. The training is then launched again with resume_from_checkpoint=true, every second time with another
number of ranks, and has to reach the losses and weights of a training that nobody disturbed. Needs ip, unshare and mpirun; prints a table
in Markdown, and ends with 1 if any run went wrong.
"""

import argparse
import array
import json
import os
import random
import re
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NETWORK = "10.78.0."
STEPS = 16
TOLERANCE = 1e-5
FAILURES = ("kill -9", "SIGSTOP", "network cut")
OTHER_SIZES = (1, 3, 4)


class Hosts:
    """Two hosts of two slots each."""

    def __init__(self, directory):
        self.names = [f"rf{os.getpid()}{letter}" for letter in "ab"]
        self.file = directory / "hosts"
        self.agent = directory / "agent.sh"

    def __enter__(self):
        for name in self.names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("-n", self.names[0], "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", self.names[1])
        for number, name in enumerate(self.names):
            ip("-n", name, "addr", "add", f"{NETWORK}{number + 1}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
        self.file.write_text("".join(f"{NETWORK}{number + 1} slots=2\n" for number in range(2)))
        self.agent.write_text(f"""#!/bin/sh
host=$1; shift
case "$host" in {NETWORK}1) name={self.names[0]};; *) name={self.names[1]};; esac
ip -n $name link show cable | grep -q 'state UP' || {{ echo "no route to $host" >&2; exit 255; }}
exec ip netns exec $name unshare --uts sh -c "hostname $name; $*"
""")
        self.agent.chmod(0o755)
        return self

    def __exit__(self, *_):
        for name in self.names:
            for pid in self.processes(name):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            subprocess.run(["ip", "netns", "del", name], check=False)

    def processes(self, name):
        found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def ranks(self):
        """Process by host."""
        found = {}
        for number, name in enumerate(self.names):
            for pid in self.processes(name):
                try:
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if words[0].endswith(b"java") and b"rank" in words:
                    found.setdefault(number, pid)
        return found

    def start(self, command, said):
        environment = dict(os.environ)
        environment.update({
            "OMPI_MCA_plm_rsh_agent": str(self.agent),
            "OMPI_MCA_btl": "tcp,self",
            "OMPI_MCA_btl_tcp_if_include": NETWORK + "0/24",
            "OMPI_MCA_oob_tcp_if_include": NETWORK + "0/24",
            "OMP_NUM_THREADS": "1",
        })
        script = f"hostname {self.names[0]}; exec \"$@\""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.names[0], "unshare", "--uts", "sh", "-c", script, "sh", *command],
            stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env=environment)

    def cut(self):
        ip("-n", self.names[1], "link", "set", "cable", "down")


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def write_training(directory, model):
    """A training of a minute's work at most."""
    (directory / "data.jsonl").write_text("".join(
        json.dumps({"instruction": f"Where does number {i} live?", "input": "", "output": "In Oslo. " * (1 + i % 5)}) + "\n"
        for i in range(48)))
    config = directory / "config.yaml"
    config.write_text(f"""model_name_or_path: {model}
train_file: {directory}/data.jsonl
output_dir: {directory}/undisturbed
prompt_template: "Q: {{instruction}}\\nA:\\n"
method: full
learning_rate: 1e-3
per_device_train_batch_size: 2
gradient_accumulation_steps: 2
max_steps: {STEPS}
max_length: 64
save_steps: 1
save_total_limit: 3
zero_stage: 2
threads: 1
num_preview_samples: 0
report_to: html
""")
    return config


def steps(output):
    """Loss of every step, as the last attempt at it logged it."""
    losses = {}
    try:
        lines = (output / "metrics.jsonl").read_text().splitlines()
    except OSError:
        return losses
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue  # the last line of one who was killed
        if "grad_norm" in event:
            losses[event["step"]] = event["loss"]
    return losses


def weights(file):
    data = file.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if entry["dtype"] != "F32":
            raise ValueError(f"{file}: {name} is {entry['dtype']}, expected a model in float32")
        found[name] = array.array("f", data[8 + length + begin:8 + length + end])
    return found


def difference(expected, found):
    """The largest relative difference of a tensor."""
    if expected.keys() != found.keys():
        return float("inf")
    worst = 0.0
    for name, values in expected.items():
        squares = sum((a - b) ** 2 for a, b in zip(values, found[name]))
        size = sum(a * a for a in values) or 1.0
        worst = max(worst, (squares / size) ** 0.5)
    return worst


def has_died(process, seconds):
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


def wait_for_step(process, output, step):
    while process.poll() is None and max(steps(output), default=0) < step:
        time.sleep(0.05)


def reason(text):
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    return lines[-1][len("error: "):] if lines else ""


def disturb(hosts, failure, host):
    if failure == "network cut":
        hosts.cut()
        return
    os.kill(hosts.ranks()[host], signal.SIGKILL if failure == "kill -9" else signal.SIGSTOP)


def run(number, options, directory, config, expected, moments):
    failure = FAILURES[number % len(FAILURES)]
    output = directory / f"run{number}"
    said = directory / f"run{number}.txt"
    host = moments.randrange(2)
    step = moments.randrange(1, STEPS - 3)
    wait = moments.uniform(0, 0.5)
    row = {"run": number + 1, "what": failure if failure == "network cut" else f"{failure} of rank {host}", "problems": []}
    with Hosts(directory) as hosts, said.open("wb") as log:
        command = [*options.finetune, "launch", "--nproc", "2", "--hosts", str(spread(directory)), "--timeout", "20",
                   "train", str(config), f"output_dir={output}"]
        process = hosts.start(command, log)
        wait_for_step(process, output, step)
        time.sleep(wait)
        at = time.monotonic()
        row["step"] = max(steps(output), default=0)
        try:
            disturb(hosts, failure, host)
        except (KeyError, ProcessLookupError):
            row["problems"].append("it had ended")
        if not has_died(process, 120):
            row["problems"].append("the launcher did not end")
            process.kill()
        row["seconds"] = time.monotonic() - at
        left = [pid for name in hosts.names for pid in hosts.processes(name)]
        if left:
            time.sleep(20)  # what a host does that hears of nothing
            left = list(hosts.ranks().values())
        stopped = failure == "network cut"  # mpirun cannot end what it cannot reach
        if left and not stopped:
            row["problems"].append(f"{len(left)} processes are left")
    row["message"] = reason(said.read_text(errors="replace"))
    if process.returncode != 1 or not re.search(r"rank \d|ranks? .*died|without a word", row["message"]):
        row["problems"].append(f"exit code {process.returncode}: {row['message']}")
    size = 2 if number % 2 == 0 else OTHER_SIZES[number // 2 % len(OTHER_SIZES)]
    row["size"] = size
    row["from"] = max((int(path.name.split("-")[1]) for path in output.glob("checkpoint-*")
                       if (path / "checkpoint.json").exists()), default=0)
    with Hosts(directory) as hosts, (directory / f"resumed{number}.txt").open("wb") as log:
        command = [*options.finetune, "launch", "--nproc", str(size), "--hosts", str(hosts.file), "--timeout", "60",
                   "train", str(config), f"output_dir={output}", f"resume_from_checkpoint={'true' if row['from'] else 'false'}"]
        process = hosts.start(command, log)
        if not has_died(process, 300) or process.returncode != 0:
            process.kill()
            row["problems"].append("it did not go on: " + reason((directory / f"resumed{number}.txt").read_text(errors="replace")))
    compare(row, output, expected)
    return row


def spread(directory):
    """One rank on each host."""
    file = directory / "hosts-of-one"
    file.write_text("".join(f"{NETWORK}{number + 1} slots=1\n" for number in range(2)))
    return file


def compare(row, output, expected):
    row["loss"] = row["weights"] = float("inf")
    found = steps(output)
    if found.keys() != expected["steps"].keys():
        row["problems"].append("steps are missing")
        return
    row["loss"] = max(abs(found[step] - loss) / loss for step, loss in expected["steps"].items())
    row["weights"] = difference(expected["weights"], weights(output / "model.safetensors"))
    if max(row["loss"], row["weights"]) > TOLERANCE:
        row["problems"].append("another result")


def table(rows):
    lines = ["| run | what | in step | launcher ended after | it said | went on from | ranks | loss differs by | weights by | |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        message = row["message"].split(": ")[-1] if len(row["message"]) > 90 else row["message"]
        lines.append(
            f"| {row['run']} | {row['what']} | {row['step'] + 1} | {row['seconds']:.0f} s | {message} | step {row['from']}"
            f" | {row['size']} | {row['loss']:.0e} | {row['weights']:.0e} | {'; '.join(row['problems']) or 'same result'} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path, help="a small model in float32 with its tokenizer")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--finetune", type=shlex.split, default=["./finetune"])
    parser.add_argument("--keep", type=Path, help="where everything stays")
    options = parser.parse_args()
    directory = options.keep or Path(tempfile.mkdtemp(prefix="rank-failures-"))
    directory.mkdir(parents=True, exist_ok=True)
    config = write_training(directory, options.model.resolve())
    subprocess.run([*options.finetune, "train", str(config)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    undisturbed = directory / "undisturbed"
    expected = {"steps": steps(undisturbed), "weights": weights(undisturbed / "model.safetensors")}
    moments = random.Random(options.seed)
    rows = []
    for number in range(options.runs):
        rows.append(run(number, options, directory, config, expected, moments))
        print(table(rows[-1:]).splitlines()[-1], flush=True)
    wrong = sum(1 for row in rows if row["problems"])
    print(table(rows))
    print(f"\n{len(rows) - wrong} of {len(rows)} runs ended with a message, went on and came to the same result")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
