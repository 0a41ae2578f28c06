#!/usr/bin/env python3
"""A small new model that learns stories from a larger one, beside the same model that has the stories alone, over several seeds.

  python3 bench/distillation_stories.py --teacher models/stories260K-hf --text stories.txt --out stories [--seeds 1 2 3] [--steps 150] [--finetune ./finetune]

The teacher is any Llama with tied embeddings; the student has two of its layers and starts from random weights of the seed. Both learn from
the first 40,000 characters of the text, as many steps; the last 20,000 are held out. Writes OUT/table.md: cross entropy of the held-out text
in nats a token. What is complete is not run again.
"""
import argparse, json, pathlib, random, shutil, struct, subprocess, sys

COMMON = ["method=full", "max_length=128", "per_device_train_batch_size=8", "learning_rate=3e-3", "report_to=none", "save_strategy=no", "train_on=all"]
STUDENTS = {
    "labels alone": ["stage=sft"],
    "forward KL": ["stage=distill", "distillation_loss=forward_kl"],
}


def call(finetune, *arguments):
    done = subprocess.run(finetune.split() + [str(one) for one in arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(" ".join(str(one) for one in arguments) + " failed")
    return done.stdout


def student(teacher, folder, seed):
    """Two layers of the teacher's sizes with random weights."""
    config = json.loads((teacher / "config.json").read_text(encoding="utf-8"))
    config["num_hidden_layers"] = 2
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"):
        if (teacher / name).exists():
            shutil.copy(teacher / name, folder / name)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    keys = config["num_key_value_heads"] * hidden // config["num_attention_heads"]
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    for layer in range(2):
        at = f"model.layers.{layer}."
        shapes |= {at + "input_layernorm.weight": (hidden,), at + "post_attention_layernorm.weight": (hidden,),
                   at + "self_attn.q_proj.weight": (hidden, hidden), at + "self_attn.o_proj.weight": (hidden, hidden),
                   at + "self_attn.k_proj.weight": (keys, hidden), at + "self_attn.v_proj.weight": (keys, hidden),
                   at + "mlp.gate_proj.weight": (inner, hidden), at + "mlp.up_proj.weight": (inner, hidden), at + "mlp.down_proj.weight": (hidden, inner)}
    generator, header, data = random.Random(seed), {}, bytearray()
    for name, shape in shapes.items():
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = [1.0] * count if len(shape) == 1 else [generator.gauss(0, 0.05) for _ in range(count)]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * count]}
        data += struct.pack(f"<{count}f", *values)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + data)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def measure(finetune, out, model, name):
    measured = out / f"{name}.json"
    if not measured.exists():
        text = call(finetune, "eval", "--model", model, "--data", out / "held-out.txt", "--max-length", "128", "--json")
        measured.write_text(text.strip().splitlines()[-1] + "\n", encoding="utf-8")
    return json.loads(measured.read_text(encoding="utf-8"))["loss"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--finetune", default="./finetune")
    args = parser.parse_args()
    out, teacher = args.out.resolve(), args.teacher.resolve()
    out.mkdir(parents=True, exist_ok=True)
    text = args.text.read_text(encoding="utf-8")
    (out / "train.txt").write_text(text[:40_000], encoding="utf-8")
    (out / "held-out.txt").write_text(text[-20_000:], encoding="utf-8")
    rows = {name: [] for name in STUDENTS}
    for seed in args.seeds:
        new = out / f"new{seed}"
        if not (new / "config.json").exists():
            student(teacher, new, seed)
        (out / "config.yaml").write_text(f"model_name_or_path: {new}\n", encoding="utf-8")
        for number, (name, keys) in enumerate(STUDENTS.items()):
            folder = out / f"seed{seed}-{number}"
            if not (folder / "model.safetensors").exists():
                taught = [f"teacher_model_name_or_path={teacher}"] if "stage=distill" in keys else []
                call(args.finetune, "train", out / "config.yaml", f"train_file={out}/train.txt", f"output_dir={folder}", f"seed={seed}",
                     f"max_steps={args.steps}", *COMMON, *keys, *taught)
            rows[name].append(measure(args.finetune, out, folder, f"seed{seed}-{number}"))
    table = ["| student | " + " | ".join(f"seed {seed}" for seed in args.seeds) + " | mean |", "|---" * (len(args.seeds) + 2) + "|"]
    for name, losses in rows.items():
        table.append(f"| {name} | " + " | ".join(f"{loss:.3f}" for loss in losses + [sum(losses) / len(losses)]) + " |")
    table.append(f"| the teacher |" + " |" * len(args.seeds) + f" {measure(args.finetune, out, teacher, 'teacher'):.3f} |")
    (out / "table.md").write_text("\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))


if __name__ == "__main__":
    main()
