#!/usr/bin/env python3
"""Peak memory of PPO with everything on one base, beside that of supervised fine-tuning with LoRA at the same lengths.

  python3 bench/ppo_memory.py --model MODEL --data PAIRS.jsonl [--steps 8] [--answers 16] [--tokens 64]

PAIRS.jsonl has the keys prompt, chosen and rejected. A reward model is trained for two steps first. Then PPO runs: policy, reference, value
function and reward model are adapters and heads on one base, first with the value head on the policy's adapter, then with an adapter of
its own. The supervised run learns the answers that PPO drew, in batches as large. Each runs in a process of its own.
"""
import argparse, json, pathlib, sys, tempfile

from dpo_against_trl import ROOT, run


def train(finetune, directory, name, lines):
    path = pathlib.Path(directory, name + ".yaml")
    path.write_text("\n".join(lines + [f"output_dir: {directory}/{name}"]) + "\n", encoding="utf-8")
    _, memory = run(finetune.split() + ["train", str(path)])
    return memory


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--finetune", default=str(ROOT / "finetune"))
    p.add_argument("--model", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--steps", type=int, default=8)
    p.add_argument("--answers", type=int, default=16)
    p.add_argument("--tokens", type=int, default=64)
    a = p.parse_args()
    directory = tempfile.mkdtemp()
    pairs = [json.loads(line) for line in open(a.data, encoding="utf-8")]
    prompts = pathlib.Path(directory, "prompts.jsonl")
    prompts.write_text("".join(json.dumps({"prompt": pair["prompt"]}) + "\n" for pair in pairs), encoding="utf-8")
    common = [
        f"model_name_or_path: {a.model}", "method: lora", "r: 16", "lora_alpha: 32", "target_modules: all-linear",
        "gradient_accumulation_steps: 1", "save_strategy: 'no'", "learning_rate: 1e-5"]
    train(a.finetune, directory, "rm", common + ["stage: rm", f"train_file: {a.data}", "max_steps: 2", "per_device_train_batch_size: 2"])
    results = {}
    for name, own in (("PPO", "false"), ("PPO, value adapter", "true")):
        folder = "own" if own == "true" else "shared"
        results[name] = train(a.finetune, directory, folder, common + [
            "stage: ppo", f"train_file: {prompts}", f"reward_model_path: {directory}/rm", f"value_adapter: {own}",
            f"response_length: {a.tokens}", "temperature: 1", "num_ppo_epochs: 2", f"max_steps: {a.steps}",
            f"per_device_train_batch_size: {a.answers}", f"log_completions: {a.answers}", "min_entropy: 0"])
    drawn = [json.loads(line) for line in open(f"{directory}/shared/completions.jsonl", encoding="utf-8")]
    answers = pathlib.Path(directory, "answers.jsonl")
    answers.write_text("".join(json.dumps(
        {"prompt": one["prompt"], "completion": one["completion"]}) + "\n" for one in drawn if one["completion"].strip()), encoding="utf-8")
    supervised = train(a.finetune, directory, "sft", common + [
        "stage: sft", f"per_device_train_batch_size: {a.answers}", f"train_file: {answers}", f"max_steps: {a.steps}"])
    print(f"SFT with LoRA: {supervised:.0f} MB")
    for name, memory in results.items():
        print(f"{name}: {memory:.0f} MB, {memory / supervised:.2f} of it")


if __name__ == "__main__":
    sys.exit(main())
