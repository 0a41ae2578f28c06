#!/usr/bin/env python3
"""SFT, reward model and PPO over several seeds, with GRPO and DPO from the same start, on the model that ships with the quick start.

  python3 bench/feedback_seeds.py --out feedback [--seeds 1 2 3] [--finetune ./finetune]

Run it where this repository lies: examples/feedback has the configurations. Writes OUT/table.md (mean rewards of the held-out prompts before and
after in the deviations they had before, nats from the reference), OUT/curves.csv and OUT/curves.svg. What is complete is not run again.
"""
import argparse, json, pathlib, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "feedback"
COLOURS = {"ppo": "#1f77b4", "grpo": "#d62728"}


def call(finetune, *arguments):
    done = subprocess.run(finetune.split() + [str(one) for one in arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(" ".join(str(one) for one in arguments) + " failed")
    return done.stdout


def task(finetune, out):
    """The quick start's task; of the whole sentences every other one is left out, so that the taught model prefers short answers."""
    folder = out / "task"
    if not (folder / "mostly-short.jsonl").exists():
        call(finetune, "quickstart", "--stage", "ppo", "--only-files", "--out", folder)
        whole, kept = 0, []
        for line in open(folder / "taught.jsonl", encoding="utf-8"):
            is_whole = json.loads(line)["output"].startswith("The ")
            whole += is_whole
            if not is_whole or whole % 2 == 0:
                kept.append(line)
        (folder / "mostly-short.jsonl").write_text("".join(kept), encoding="utf-8")
    return folder


def events(folder, kind):
    lines = [json.loads(line) for line in open(folder / "metrics.jsonl", encoding="utf-8")]
    return [line for line in lines if line["event"] == kind]


def train(finetune, out, seed):
    folder = out / f"seed{seed}"
    data = task(finetune, out)
    base, judge = folder / "sft" / "merged", folder / "rm"
    prompts = [f"seed={seed}", f"train_file={data}/prompts.jsonl", f"eval_file={data}/held-out.jsonl"]
    call(finetune, "train", EXAMPLES / "ppo.yaml", f"seed={seed}", f"output_dir={folder}", f"model_name_or_path={data}/base",
         f"sft.train_file={data}/mostly-short.jsonl", f"rm.train_file={data}/pairs.jsonl",
         f"ppo.train_file={data}/prompts.jsonl", f"ppo.eval_file={data}/held-out.jsonl")
    if not (folder / "dpo" / "adapter_config.json").exists():
        call(finetune, "train", EXAMPLES / "dpo.yaml", f"seed={seed}", f"model_name_or_path={base}",
             f"train_file={data}/pairs.jsonl", f"output_dir={folder}/dpo")
    if not (folder / "grpo" / "adapter_config.json").exists():
        call(finetune, "train", EXAMPLES / "grpo.yaml", f"model_name_or_path={base}", f"reward_model_path={judge}",
             f"output_dir={folder}/grpo", *prompts)
    measured = folder / "dpo-reward.json"
    if not measured.exists():
        text = call(finetune, "eval", "--model", base, "--adapter", folder / "dpo", "--config", EXAMPLES / "grpo.yaml", "--json",
                    f"reward_model_path={judge}", *prompts)
        measured.write_text(text.strip().splitlines()[-1] + "\n", encoding="utf-8")
    return folder


def row(seed, folder):
    accuracy = events(folder / "rm", "evaluation")[-1]["scores"]["accuracy"]
    cells = [str(seed), f"{100 * accuracy:.1f} %"]
    for stage in ("ppo", "grpo"):
        measured = [one["scores"] for one in events(folder / stage, "evaluation")]
        before, after = measured[0], measured[-1]
        if stage == "ppo":
            cells.append(f"{before['reward']:.2f} ({before['reward_std']:.2f})")
        gain = (after["reward"] - before["reward"]) / before["reward_std"]
        nats = [step["metrics"]["kl/k1"] for step in events(folder / stage, "step")]
        cells.append(f"{after['reward']:.2f}: +{gain:.2f}, {sum(nats[-5:]) / 5:.1f} nats")
    chosen = json.loads((folder / "dpo-reward.json").read_text(encoding="utf-8"))
    cells.append(f"{chosen['reward']:.2f}: +{(chosen['reward'] - before['reward']) / before['reward_std']:.2f}")
    return "| " + " | ".join(cells) + " |"


def curves(out, folders):
    series = []
    with open(out / "curves.csv", "w", encoding="utf-8") as file:
        file.write("stage,seed,step,reward,kl_k1,held_out_reward\n")
        for seed, folder in folders.items():
            for stage in COLOURS:
                held_out = {one["step"]: one["scores"]["reward"] for one in events(folder / stage, "evaluation")}
                steps = events(folder / stage, "step")
                for step in steps:
                    own = step["metrics"]
                    file.write(f"{stage},{seed},{step['step']},{own['reward']:.4f},{own['kl/k1']:.4f},{held_out.get(step['step'], '')}\n")
                series.append((stage, sorted(held_out.items()), [(one["step"], one["metrics"]["kl/k1"]) for one in steps]))
    panels = [("mean reward of the held-out prompts", 1), ("nats from the reference (k1), rounds", 2)]
    body = []
    for number, (title, column) in enumerate(panels):
        points = [point for one in series for point in one[column]]
        last, low, high = max(x for x, _ in points), min(y for _, y in points), max(y for _, y in points)
        left = 50 + 360 * number
        place = lambda x, y: (left + 290 * x / last, 210 - 170 * (y - low) / (high - low))
        body.append(f'<text x="{left}" y="25">{title}</text><path d="M{left} 40V210H{left + 290}" stroke="#888" fill="none"/>')
        body.append(f'<text x="{left - 6}" y="48" text-anchor="end">{high:.1f}</text><text x="{left - 6}" y="210" text-anchor="end">{low:.1f}</text>')
        body.append(f'<text x="{left + 290}" y="226" text-anchor="end">step {last}</text>')
        for one in series:
            path = " ".join("%.1f,%.1f" % place(x, y) for x, y in one[column])
            body.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[one[0]]}"/>')
    for number, (stage, colour) in enumerate(COLOURS.items()):
        body.append(f'<text x="{50 + 60 * number}" y="226" fill="{colour}">{stage.upper()}</text>')
    (out / "curves.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 235" font-family="sans-serif" font-size="12">'
        '<rect width="720" height="235" fill="#fff"/>' + "".join(body) + "</svg>\n", encoding="utf-8")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=pathlib.Path, required=True)
    p.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    p.add_argument("--finetune", default=str(ROOT / "finetune"))
    a = p.parse_args()
    folders = {seed: train(a.finetune, a.out, seed) for seed in a.seeds}
    table = [
        "| seed | reward model, held-out pairs | reward before (deviation) | after PPO | after GRPO | after DPO |", "|---|---|---|---|---|---|",
        *(row(seed, folder) for seed, folder in folders.items())]
    (a.out / "table.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    curves(a.out, folders)
    print("\n".join(table))


if __name__ == "__main__":
    sys.exit(main())
