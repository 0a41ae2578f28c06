#!/usr/bin/env python3
"""method: auto beside LoRA on the same budget of optimizer steps, several seeds.

  bench/auto_against_lora.py --out DIR [--seeds 1 2 3] [--budget 240] [--batch 8]
      [--model MODEL_DIR --records ALPACA.json]

Without --model it is the quick start's task; with it the short records without input: 60 to choose by, 60 to test
on, the others to learn from.
Candidates are chosen on one half of what is held out and compared on the other half, which no search has seen. The baselines
learn from the same records for as many steps as all candidates of the search together: `method: lora` as it is when nothing else is
set, and with the learning rate 1e-3. What is complete is not run again. Prints a Markdown table, and leaves OUT/table.md.
"""
import argparse, json, pathlib, random, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROMPT = "### Instruction:\\n{instruction}\\n\\n### Response:\\n"
CONFIG = """model_name_or_path: {model}
train_file: {data}/train.jsonl
eval_file: {data}/choose.jsonl
prompt_template: "{prompt}"
max_length: 128
per_device_train_batch_size: {batch}
per_device_eval_batch_size: 20
lr_scheduler_type: cosine
warmup_ratio: 0.05
num_preview_samples: 0
report_to: none
eval_strategy: "no"
save_strategy: "no"
"""


def call(finetune, *arguments):
    done = subprocess.run(finetune.split() + [str(one) for one in arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(" ".join(str(one) for one in arguments) + " failed")
    return done.stdout


def write(path, records):
    path.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")


def task(a, seed):
    """The files of one seed: what is held out is shuffled by it and halved."""
    folder = a.out / f"seed{seed}" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    if a.model is None:
        files = a.out / "quickstart"
        if not (files / "held-out.jsonl").exists():
            call(a.finetune, "quickstart", "--only-files", "--out", files)
        read = lambda name: [json.loads(line) for line in open(files / name, encoding="utf-8")]
        train, held_out, model = read("train.jsonl"), read("held-out.jsonl"), files / "base"
    else:
        records = json.loads(a.records.read_text(encoding="utf-8"))
        records = [one for one in records if not one["input"] and len(one["instruction"] + one["output"]) < 250]
        random.Random(seed).shuffle(records)
        train, held_out, model = records[:-120], records[-120:], a.model
    random.Random(seed).shuffle(held_out)
    write(folder / "train.jsonl", train)
    write(folder / "choose.jsonl", held_out[:len(held_out) // 2])
    write(folder / "test.jsonl", held_out[len(held_out) // 2:])
    (folder / "config.yaml").write_text(
        CONFIG.format(model=model, data=folder, prompt=PROMPT, batch=a.batch), encoding="utf-8")
    return folder, model


def measure(a, model, data, adapter):
    metrics = "loss,exact_match" if a.model is None else "loss"
    options = [] if adapter is None else ["--adapter", adapter]
    text = call(a.finetune, "eval", "--model", model, *options, "--data", data / "test.jsonl", "--metrics", metrics,
                "--batch-size", 20, "--json", "--max-length", 128, "--prompt-template", PROMPT.replace("\\n", "\n"))
    return json.loads(text.strip().splitlines()[-1])


def cell(measured):
    match = measured.get("exact_match")
    return f"{measured['loss']:.3f}" + ("" if match is None else f" ({100 * match:.0f} %)")


def row(a, seed):
    data, model = task(a, seed)
    config, folder = data / "config.yaml", data.parent
    runs = {
        "lora": ["method=lora", f"max_steps={a.budget}"],
        "lora-1e-3": ["method=lora", f"max_steps={a.budget}", "learning_rate=1e-3"],
        "auto": ["method=auto", f"auto.budget_steps={a.budget}", f"auto.candidates={a.candidates}"],
    }
    cells, losses = [str(seed), cell(measure(a, model, data, None))], {}
    for name, arguments in runs.items():
        out = folder / name
        if not (out / "adapter_config.json").exists():
            call(a.finetune, "train", config, f"seed={seed}", f"output_dir={out}", *arguments)
        measured = measure(a, model, data, out)
        losses[name] = measured["loss"]
        cells.append(cell(measured))
    journal = json.loads((folder / "auto" / "auto.json").read_text(encoding="utf-8"))
    winner = next(one for one in journal["candidates"] if one["name"] == journal["winner"])
    settings = dict(winner["settings"])
    if "self_attn" in str(settings.get("target_modules")):
        settings["target_modules"] = "attention"
    settings.pop("lora_alpha", None)
    words = ", ".join([settings.pop("method"), *(f"{key} {value}" for key, value in settings.items())])
    cells += [words, "yes" if losses["auto"] < losses["lora"] else "no", "yes" if losses["auto"] < losses["lora-1e-3"] else "no"]
    return "| " + " | ".join(cells) + " |"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=pathlib.Path, required=True)
    p.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    p.add_argument("--budget", type=int, default=240)
    p.add_argument("--candidates", type=int, default=9)
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--model", type=pathlib.Path)
    p.add_argument("--records", type=pathlib.Path)
    p.add_argument("--finetune", default=str(ROOT / "finetune"))
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    table = ["| seed | base | LoRA | LoRA, 1e-3 | auto | winner | beats LoRA | beats LoRA, 1e-3 |", "|---|---|---|---|---|---|---|---|"]
    print("\n".join(table), flush=True)
    for seed in a.seeds:
        table.append(row(a, seed))
        print(table[-1], flush=True)
    (a.out / "table.md").write_text("\n".join(table) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
