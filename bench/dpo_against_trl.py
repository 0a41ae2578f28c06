#!/usr/bin/env python3
"""DPO side by side with TRL: the same model, the same pairs in the same order, no dropout.

  python3 bench/dpo_against_trl.py --python ENV/bin/python --model MODEL --data PAIRS.jsonl [--method full|lora] [--steps 10]

PAIRS.jsonl has the keys prompt, chosen and rejected. ENV has torch, transformers, peft and trl. The loss of every step is
compared (limit 1e-4, relative) with full fine-tuning; adapters start from random weights, which differ. Each side runs in a
process of its own; printed are its seconds a step (the first one left out) and its peak of resident memory, and what ours
are of TRL's. Exit code 1 where a loss differs.
"""
import argparse, json, os, pathlib, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMIT = 1e-4


def trl(a):
    """Runs inside of the environment that has TRL; the last line is the result."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import DPOConfig, DPOTrainer

    if a.threads:
        torch.set_num_threads(a.threads)
    pairs = [json.loads(line) for line in open(a.data, encoding="utf-8")]
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(a.model, dtype=torch.float32)
    peft = None
    if a.method == "lora":
        from peft import LoraConfig
        peft = LoraConfig(r=a.rank, lora_alpha=2 * a.rank, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    times = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *args, **kwargs):
            self.start = time.perf_counter()

        def on_step_end(self, *args, **kwargs):
            times.append(time.perf_counter() - self.start)

    config = DPOConfig(
        output_dir=tempfile.mkdtemp(), beta=a.beta, learning_rate=a.learning_rate, lr_scheduler_type="constant",
        per_device_train_batch_size=a.batch, max_steps=a.steps, max_length=a.max_length, weight_decay=0.0,
        max_grad_norm=1.0, logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, bf16=False,
        gradient_checkpointing=False, train_sampling_strategy="sequential", dataloader_pin_memory=False)
    trainer = DPOTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(pairs), processing_class=tokenizer,
        peft_config=peft, callbacks=[Clock()])
    trainer.train()
    logs = [log for log in trainer.state.log_history if "loss" in log]
    print(json.dumps(dict(losses=[log["loss"] for log in logs], logps=[log.get("logps/chosen") for log in logs], times=times)))


def ours(a, directory):
    config = [
        f"model_name_or_path: {a.model}", "stage: dpo", f"method: {a.method}", f"train_file: {a.data}",
        f"output_dir: {directory}/out", f"max_length: {a.max_length}",
        f"beta: {a.beta}", f"learning_rate: {a.learning_rate}", "lr_scheduler_type: constant", "weight_decay: 0",
        "max_grad_norm: 1.0", f"per_device_train_batch_size: {a.batch}", f"max_steps: {a.steps}", "shuffle: false",
        "save_strategy: 'no'", "logging_steps: 1", "truncation: right", "seed: 42"]
    if a.method == "lora":
        config += [f"r: {a.rank}", f"lora_alpha: {2 * a.rank}", "lora_dropout: 0", "target_modules: all-linear"]
    if a.threads:
        config += [f"threads: {a.threads}"]
    path = pathlib.Path(directory, "dpo.yaml")
    path.write_text("\n".join(config) + "\n", encoding="utf-8")
    return a.finetune.split() + ["train", str(path)]


def run(command):
    """The lines a command printed, and the peak of its resident memory, MB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = [], []
    readers = [threading.Thread(target=lambda s, t: t.extend(s), args=x) for x in ((process.stdout, out), (process.stderr, err))]
    [reader.start() for reader in readers]
    _, status, usage = os.wait4(process.pid, 0)
    [reader.join() for reader in readers]
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit("".join(err[-30:]) + "\n" + " ".join(command) + " failed")
    return out, usage.ru_maxrss / 1024


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--finetune", default=str(ROOT / "finetune"))
    p.add_argument("--model", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--method", choices=["full", "lora"], default="full")
    p.add_argument("--steps", type=int, default=10)
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--beta", type=float, default=0.1)
    p.add_argument("--rank", type=int, default=16)
    p.add_argument("--learning-rate", type=float, default=1e-5)
    p.add_argument("--max-length", type=int, default=256)
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--trl", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.trl:
        return trl(a)
    directory = tempfile.mkdtemp()
    lines = open(a.data, encoding="utf-8").read().splitlines()[: a.batch * a.steps]
    a.data = directory + "/pairs.jsonl"
    pathlib.Path(a.data).write_text("\n".join(lines) + "\n", encoding="utf-8")
    here = [a.python, __file__, "--trl"]
    for name in ("model", "data", "method", "steps", "batch", "beta", "rank", "learning_rate", "max_length", "threads"):
        here += ["--" + name.replace("_", "-"), str(getattr(a, name))]
    out, trl_memory = run(here)
    reference = json.loads(out[-1])
    _, memory = run(ours(a, directory))
    events = [json.loads(line) for line in open(directory + "/out/metrics.jsonl", encoding="utf-8")]
    steps = [event for event in events if event["event"] == "step"]
    worst = 0
    for i, (step, loss) in enumerate(zip(steps, reference["losses"], strict=True)):
        difference = abs(step["loss"] - loss) / max(abs(loss), 1e-12)
        worst = max(worst, difference)
        print(f"step {i + 1:2}  ours {step['loss']:.7f}  TRL {loss:.7f}  relative {difference:.1e}")
    ends = [step["elapsed_seconds"] for step in steps]
    own = (ends[-1] - ends[0]) / max(1, len(ends) - 1)
    theirs = sum(reference["times"][1:]) / max(1, len(reference["times"]) - 1)
    print(f"seconds a step: ours {own:.3f}, TRL {theirs:.3f}: {theirs / own:.2f} times as fast")
    print(f"peak memory MB: ours {memory:.0f}, TRL {trl_memory:.0f}: {memory / trl_memory:.2f} of it")
    if a.method == "full":
        print(f"largest relative difference of a loss {worst:.1e}, limit {LIMIT:.0e}")
        return 0 if worst <= LIMIT else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
