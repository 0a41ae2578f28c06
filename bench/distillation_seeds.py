#!/usr/bin/env python3
"""Does a student learn more from a teacher than from the labels alone? The model that ships with the quick start, over several seeds.

  python3 bench/distillation_seeds.py --out distillation [--seeds 1 2 3] [--records 64] [--steps 120] [--finetune ./finetune]

The teacher is the quick start's model with LoRA, trained on all 1,488 records of its task. Every student is the same model with as many steps
on a few of those records, chosen by the seed: on their labels alone, on what the teacher says about them, on its own answers, with LoRA and
with virtual tokens; one has the prompts of all records, without labels, which the teacher answers. Writes OUT/table.md: cross entropy and
exact answers on the 120 records that nobody trained on. What is complete is not run again.
"""
import argparse, json, pathlib, random, subprocess, sys

COMMON = ["prompt_template=" + json.dumps("Q: {instruction}\nA:\n"), "max_length=64", "report_to=none", "num_preview_samples=0", "save_strategy=no"]
LORA = ["method=lora", "r=8", "lora_alpha=16", "target_modules=all-linear", "learning_rate=2e-3"]
PROMPT = ["method=prompt_tuning", "num_virtual_tokens=16", "prompt_tuning_init=RANDOM", "learning_rate=3e-2"]
STUDENTS = {
    "LoRA, labels alone": LORA + ["stage=sft"],
    "LoRA, forward KL": LORA + ["stage=distill", "distillation_loss=forward_kl", "lmbda=0"],
    "LoRA, forward KL and labels": LORA + ["stage=distill", "distillation_loss=forward_kl", "lmbda=0", "distillation_alpha=0.5"],
    "LoRA, JSD, half of the answers its own": LORA + ["stage=distill", "beta=0.5", "lmbda=0.5", "max_new_tokens=12"],
    "LoRA, reverse KL, all answers its own": LORA + ["stage=distill", "beta=1", "lmbda=1", "max_new_tokens=12"],
    "LoRA, prompts of all records, no labels": LORA + ["stage=distill", "distillation_loss=forward_kl", "seq_kd=true", "lmbda=0", "max_new_tokens=12"],
    "prompt tuning, labels alone": PROMPT + ["stage=sft"],
    "prompt tuning, forward KL": PROMPT + ["stage=distill", "distillation_loss=forward_kl", "lmbda=0"],
}


def call(finetune, *arguments):
    done = subprocess.run(finetune.split() + [str(one) for one in arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(" ".join(str(one) for one in arguments) + " failed")
    return done.stdout


def train(finetune, out, name, keys):
    folder = out / name
    if not (folder / "adapter_config.json").exists():
        config = out / "config.yaml"
        config.write_text(f"model_name_or_path: {out}/task/base\n", encoding="utf-8")
        call(finetune, "train", config, f"output_dir={folder}", *COMMON, *keys)
    measured = folder / "measured.json"
    if not measured.exists():
        text = call(finetune, "eval", "--model", out / "task" / "base", "--adapter", folder, "--data", out / "task" / "held-out.jsonl",
                    "--metrics", "loss,exact_match", "--max-new-tokens", "12", "--json")
        measured.write_text(text.strip().splitlines()[-1] + "\n", encoding="utf-8")
    scores = json.loads(measured.read_text(encoding="utf-8"))
    return scores["loss"], scores["exact_match"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--records", type=int, default=64)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--finetune", default="./finetune")
    args = parser.parse_args()
    out = args.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "task" / "train.jsonl").exists():
        call(args.finetune, "quickstart", "--only-files", "--out", out / "task")
    everything = out / "task" / "train.jsonl"
    lines = everything.read_text(encoding="utf-8").splitlines()
    teacher = train(args.finetune, out, "teacher", LORA + [f"train_file={everything}", "num_train_epochs=3", "per_device_train_batch_size=16"])
    rows = {name: [] for name in STUDENTS}
    for seed in args.seeds:
        few = out / f"few{seed}.jsonl"
        few.write_text("\n".join(random.Random(seed).sample(lines, args.records)) + "\n", encoding="utf-8")
        for number, (name, keys) in enumerate(STUDENTS.items()):
            data = everything if "all records" in name else few
            taught = [f"teacher_model_name_or_path={out}/teacher"] if "stage=distill" in keys else []
            rows[name].append(train(args.finetune, out, f"seed{seed}-{number}", keys + taught + [
                f"seed={seed}", f"train_file={data}", f"max_steps={args.steps}", "per_device_train_batch_size=8"]))
    table = ["| student | " + " | ".join(f"seed {seed}" for seed in args.seeds) + " | mean |",
             "|---" * (len(args.seeds) + 2) + "|"]
    for name, scores in rows.items():
        mean = [sum(one[i] for one in scores) / len(scores) for i in (0, 1)]
        table.append(f"| {name} | " + " | ".join(f"{loss:.3f}, {100 * exact:.1f} %" for loss, exact in scores + [tuple(mean)]) + " |")
    table.append(f"| the teacher | " + " | ".join(f"{teacher[0]:.3f}, {100 * teacher[1]:.1f} %" for _ in range(len(args.seeds) + 1)) + " |")
    (out / "table.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()
