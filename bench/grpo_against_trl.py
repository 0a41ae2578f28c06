#!/usr/bin/env python3
"""GRPO side by side with TRL: the same model, prompts, numbers of answers and reward; each draws its own answers.

  python3 bench/grpo_against_trl.py --python ENV/bin/python --model MODEL --data PROMPTS.jsonl [--method full|lora] [--steps 8]

PROMPTS.jsonl has the key prompt. ENV has torch, transformers, peft and trl. The reward is 1 for an answer with the word "the".
Each side runs in a process of its own; printed are its seconds a step (the first one left out), its new tokens an answer, its
mean reward and its peak of resident memory, and what ours are of TRL's.
"""
import argparse, json, pathlib, sys, tempfile, time

from dpo_against_trl import ROOT, run

WORD = r"\bthe\b"


def trl(a):
    """Runs inside of the environment that has TRL; the last line is the result."""
    import re
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    prompts = [{"prompt": json.loads(line)["prompt"]} for line in open(a.data, encoding="utf-8")]
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(a.model)
    peft = None
    if a.method == "lora":
        from peft import LoraConfig
        peft = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    times = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *args, **kwargs):
            self.start = time.perf_counter()

        def on_step_end(self, *args, **kwargs):
            times.append(time.perf_counter() - self.start)

    config = GRPOConfig(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=a.answers, num_generations=a.generations,
        max_completion_length=a.tokens, beta=a.beta, temperature=1.0, learning_rate=1e-5, max_steps=a.steps,
        logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False,
        dataloader_pin_memory=False)
    trainer = GRPOTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(prompts), processing_class=tokenizer, peft_config=peft,
        reward_funcs=lambda completions, **_: [1.0 if re.search(WORD, text) else 0.0 for text in completions],
        callbacks=[Clock()])
    trainer.train()
    logs = [log for log in trainer.state.log_history if "reward" in log]
    print(json.dumps(dict(
        times=times, reward=sum(log["reward"] for log in logs) / len(logs),
        length=sum(log["completions/mean_length"] for log in logs) / len(logs))))


def ours(a, directory):
    config = [
        f"model_name_or_path: {a.model}", "stage: grpo", f"method: {a.method}", f"train_file: {a.data}",
        f"output_dir: {directory}/out", f"num_generations: {a.generations}", f"max_completion_length: {a.tokens}",
        f"beta: {a.beta}", "temperature: 1", "learning_rate: 1e-5", f"per_device_train_batch_size: {a.answers}",
        "gradient_accumulation_steps: 1", f"max_steps: {a.steps}", "save_strategy: 'no'", "logging_steps: 1",
        "min_entropy: 0", "reward_funcs:", f"  - {{type: regex, pattern: '{WORD}'}}"]
    if a.method == "lora":
        config += ["r: 16", "lora_alpha: 32", "lora_dropout: 0", "target_modules: all-linear"]
    path = pathlib.Path(directory, "grpo.yaml")
    path.write_text("\n".join(config) + "\n", encoding="utf-8")
    return [str(ROOT / "finetune"), "train", str(path)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--model", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--method", choices=["full", "lora"], default="lora")
    p.add_argument("--steps", type=int, default=8)
    p.add_argument("--answers", type=int, default=32)
    p.add_argument("--generations", type=int, default=8)
    p.add_argument("--tokens", type=int, default=64)
    p.add_argument("--beta", type=float, default=0.04)
    p.add_argument("--trl", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.trl:
        return trl(a)
    directory = tempfile.mkdtemp()
    prompts = [json.loads(line)["prompt"] for line in open(a.data, encoding="utf-8")]
    a.data = directory + "/prompts.jsonl"
    pathlib.Path(a.data).write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts), encoding="utf-8")
    here = [a.python, __file__, "--trl"]
    for name in ("model", "data", "method", "steps", "answers", "generations", "tokens", "beta"):
        here += ["--" + name, str(getattr(a, name))]
    out, trl_memory = run(here)
    reference = json.loads(out[-1])
    _, memory = run(ours(a, directory))
    events = [json.loads(line) for line in open(directory + "/out/metrics.jsonl", encoding="utf-8")]
    steps = [event for event in events if event["event"] == "step"]
    ends = [step["elapsed_seconds"] for step in steps]
    own = (ends[-1] - ends[0]) / max(1, len(ends) - 1)
    theirs = sum(reference["times"][1:]) / max(1, len(reference["times"]) - 1)
    metrics = [step.get("metrics", step) for step in steps]
    mean = lambda key: sum(one[key] for one in metrics) / len(metrics)
    print(f"tokens an answer: ours {mean('completions/mean_length'):.1f}, TRL {reference['length']:.1f}")
    print(f"mean reward: ours {mean('reward'):.3f}, TRL {reference['reward']:.3f}")
    print(f"seconds a step: ours {own:.3f}, TRL {theirs:.3f}: {theirs / own:.2f} times as fast")
    print(f"peak memory MB: ours {memory:.0f}, TRL {trl_memory:.0f}: {memory / trl_memory:.2f} of it")


if __name__ == "__main__":
    sys.exit(main())
