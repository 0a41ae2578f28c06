#!/usr/bin/env python3
"""Runs commands in turn and prints what the first one's figures are of the others'.

  python3 bench/alternating.py --rounds 3 --figure tokens_per_s --figure peak_mb \\
      "./finetune bench step --mode lora --steps 8 --json" \\
      "./finetune bench step --mode lora --steps 8 --no-fused --json" \\
      ["ENV/bin/python OTHER.py ..."]

Every command prints a JSON line last. A B A B, so that a machine that becomes slower meanwhile does so for all of them. Printed are,
for every figure, the first command's divided by each other one's of the same round: minimum, median, maximum.
"""
import argparse, json, statistics, subprocess, sys


def run(command):
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        sys.exit(f"{command}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(lines[-1])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("commands", nargs="+")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--figure", action="append", required=True)
    a = ap.parse_args()
    results = [[] for _ in a.commands]
    for number in range(a.rounds):
        for command, all_of in zip(a.commands, results):
            all_of.append(run(command))
            figures = ", ".join(f"{name} {all_of[-1].get(name)}" for name in a.figure)
            print(f"round {number + 1}: {figures}: {command}", file=sys.stderr)
    for name in a.figure:
        for command, others in zip(a.commands[1:], results[1:]):
            ratios = sorted(mine[name] / other[name] for mine, other in zip(results[0], others))
            print(json.dumps({"figure": name, "beside": command, "min": round(ratios[0], 3),
                              "median": round(statistics.median(ratios), 3), "max": round(ratios[-1], 3)}))


if __name__ == "__main__":
    main()
