#!/usr/bin/env python3
"""Three synthetic tasks in a row, every method against forgetting, several seeds.

  bench/continual_methods.py --out DIR [--seeds 1 2 3] [--steps 60]

The tasks are made of the quick start's questions about villagers, each about two traits and answered in a form of its own, asked in the
same words; held out are questions about villagers that no training asks about. A seed decides the order of the tasks and everything
that is random. What is complete is not run again. Prints Markdown tables, and leaves OUT/table.md.
"""
import argparse, json, pathlib, random, statistics, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A task has two traits, by the beginnings of their answers, and a form of the answer.
TASKS = {
    "places": (("As a ", "In "), lambda fact: f"{fact}."),
    "things": (("A ", "It is "), lambda fact: f"The answer is {fact}."),
    "habits": (("They eat ", "On "), lambda fact: f"Somebody said: {fact}, I think."),
}
METHODS = {
    "sequential": {},
    "replay": {"replay_bytes": 16384},
    "ewc": {"ewc_lambda": 100},
    "olora": {"olora_lambda": 0.5},
    "l2": {"l2_lambda": 10},
}
CONFIG = {
    "method": "lora", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"], "learning_rate": 2e-3,
    "lr_scheduler_type": "cosine", "prompt_template": "### Instruction:\n{instruction}\n\n### Response:\n", "max_length": 128,
    "per_device_train_batch_size": 8, "per_device_eval_batch_size": 40, "report_to": "none", "eval_strategy": "no",
}


def call(finetune, *arguments):
    done = subprocess.run(finetune.split() + [str(one) for one in arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(" ".join(str(one) for one in arguments) + " failed")
    return done.stdout


def data(a):
    """Train and held-out files of every task."""
    files = a.out / "quickstart"
    if not (files / "held-out.jsonl").exists():
        call(a.finetune, "quickstart", "--only-files", "--out", files)
    for name, (beginnings, form) in TASKS.items():
        for part in ("train", "held-out"):
            lines = []
            for line in open(files / f"{part}.jsonl", encoding="utf-8"):
                record = json.loads(line)
                for beginning in beginnings:
                    if record["output"].startswith(beginning):
                        fact = record["output"][len(beginning):].rstrip(".")
                        lines.append(json.dumps({"instruction": record["instruction"], "output": form(fact)}))
            (a.out / f"{name}-{part}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return files / "base"


def run(a, base, method, seed):
    order = list(TASKS)
    random.Random(seed).shuffle(order)
    out = a.out / f"{method}-{seed}"
    config = {
        "model_name_or_path": str(base), "output_dir": str(out), "seed": seed, "max_steps": a.steps, **CONFIG,
        "continual": {"method": method, **METHODS[method]},
        "tasks": [{"name": name, "train_file": str(a.out / f"{name}-train.jsonl"), "eval_file": str(a.out / f"{name}-held-out.jsonl")}
                  for name in order]}
    for override in a.set:
        key, value = override.split("=")
        if key in METHODS[method]:
            config["continual"][key] = float(value)
    file = a.out / f"{method}-{seed}.yaml"
    file.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return json.loads(call(a.finetune, "continual", file, "--json").strip().splitlines()[-1])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=pathlib.Path, required=True)
    p.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    p.add_argument("--steps", type=int, default=60)
    p.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    p.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="other strengths than those in this file")
    p.add_argument("--finetune", default=str(ROOT / "finetune"))
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    base = data(a)
    measured = {seed: {method: run(a, base, method, seed) for method in a.methods} for seed in a.seeds}
    table = ["| method | seed | average loss | forgetting | backward transfer | forgets less than sequential |", "|---|---|---|---|---|---|"]
    for method in a.methods:
        for seed in a.seeds:
            one = measured[seed][method]
            plain = measured[seed].get("sequential")
            less = "" if method == "sequential" or plain is None else "yes" if one["forgetting"] < plain["forgetting"] else "no"
            table.append(f"| {method} | {seed} | {one['average']:.3f} | {one['forgetting']:.3f} | {one['backward_transfer']:.3f} | {less} |")
        mean = lambda key: statistics.mean(measured[seed][method][key] for seed in a.seeds)
        table.append(f"| {method} | mean | {mean('average'):.3f} | {mean('forgetting'):.3f} | {mean('backward_transfer'):.3f} | |")
    for method in a.methods:
        one = measured[a.seeds[0]][method]
        table += ["", f"Losses of {method}, seed {a.seeds[0]}:", "", "| | " + " | ".join(one["tasks"]) + " |", "|---" * 4 + "|"]
        for i, row in enumerate(one["scores"]):
            name = "before" if i == 0 else "after " + one["tasks"][i - 1]
            table.append(f"| {name} | " + " | ".join(f"{score:.3f}" for score in row) + " |")
    (a.out / "table.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    sys.exit(main())
