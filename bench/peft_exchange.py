#!/usr/bin/env python3
"""Adapters both ways between this program and PEFT, every method.

  ENV/bin/python bench/peft_exchange.py [--only METHOD ...] [--keep DIR] [--finetune COMMAND]

ENV has torch, transformers, peft and yaml. Every row of the methods' table that makes an adapter for PEFT is trained here for three steps
on the small model of the quick start. PEFT opens what was written: it must know every key of the file and miss none, and writes it
again. What PEFT computes with it (logits, loss, the gradient of every number, logits after merging) goes into a golden file, and
`finetune verify` compares it with ours, from our files and from those that PEFT wrote. Exit code 1 where anything differs.
"""
import argparse, json, os, pathlib, shlex, shutil, subprocess, sys, tempfile, warnings

from peft_goldens import butterfly_on_cpu, derivative_of_circular_convolution, write_classifier

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / "finetune-cli/src/main/resources/org/finetune4j/cli/quickstart/model"
TABLE = ROOT / "finetune-cli/src/main/resources/org/finetune4j/cli/bench/methods.yaml"
# What X-LoRA mixes: LoRA adapters, which are trained before.
MIXED = dict(first=dict(method="lora", r=4, target_modules="all-linear"), second=dict(method="lora", r=2, lora_alpha=6, target_modules=["q_proj", "v_proj"]))
# Further settings of methods, each a row of its own.
MORE = [
    dict(name="miss, bat", settings=dict(method="miss", r=16, init_weights="bat", target_modules="all-linear")),
    dict(name="miss, mini", settings=dict(method="miss", r=16, mini_r=8, init_weights="mini", target_modules="all-linear")),
    dict(name="road, four", settings=dict(method="road", group_size=16, variant="road_4", target_modules="all-linear")),
    dict(name="gralora, hybrid", settings=dict(method="gralora", r=8, gralora_k=4, hybrid_r=2, target_modules="all-linear")),
    dict(name="trainable_tokens", settings=dict(method="trainable_tokens", token_indices=[5, 9, 70])),
    dict(name="lora, patterns", settings=dict(method="lora", r=4, rank_pattern={"q_proj": 6}, alpha_pattern={"v_proj": 3}, target_modules="all-linear")),
    dict(name="lora, tokens", settings=dict(method="lora", r=4, target_modules=["q_proj"], trainable_token_indices=[5, 9])),
    dict(name="lora, saved head", settings=dict(method="lora", r=4, target_modules=["q_proj"], modules_to_save=["lm_head"])),
    dict(name="lora, bias", settings=dict(method="lora", r=4, target_modules=["q_proj"], lora_bias=True)),
    dict(name="oft, whole", settings=dict(method="oft", r=4, oft_block_size=0, block_share=True, use_cayley_neumann=False, target_modules="all-linear")),
    dict(name="hra, orthogonal", settings=dict(method="hra", r=3, apply_GS=True, target_modules="all-linear")),
    dict(name="vera, not saved", settings=dict(method="vera", r=16, save_projection=False, target_modules=["q_proj", "v_proj"])),
    dict(name="p_tuning, lstm", settings=dict(method="p_tuning", num_virtual_tokens=4, encoder_reparameterization_type="LSTM", encoder_hidden_size=16)),
    dict(name="multitask", settings=dict(method="multitask_prompt_tuning", num_virtual_tokens=4, num_tasks=2, num_ranks=2)),
    dict(name="xlora", settings=dict(method="xlora", adapters=MIXED)),
    dict(name="xlora, layers", settings=dict(method="xlora", adapters=MIXED, layerwise_scalings=True, xlora_depth=2, xlora_size=16, top_k_lora=1)),
    dict(name="prefix, projected", settings=dict(method="prefix_tuning", num_virtual_tokens=4, prefix_projection=True, encoder_hidden_size=16)),
]


def rows(only):
    import yaml
    table = yaml.safe_load(TABLE.read_text()) + MORE
    return [row for row in table if not only or row["settings"]["method"] in only or row["name"] in only]


def peft_types():
    from peft import PeftType
    return {kind.value for kind in PeftType}


def finetune(command, *arguments):
    result = subprocess.run(shlex.split(command) + [str(a) for a in arguments], capture_output=True, text=True, cwd=ROOT)
    return result.returncode, result.stdout, result.stderr


def peft_computes(directory, golden, again):
    """Opens an adapter in PEFT, records what it computes, and writes it again."""
    import peft, torch, transformers
    from safetensors.torch import load_file, save_file

    butterfly_on_cpu()
    derivative_of_circular_convolution()
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        config = peft.PeftConfig.from_pretrained(directory)
        prompt = config.is_prompt_learning
        mixed = config.adapters if config.peft_type == "XLORA" else {}
        model.config.use_cache = model.config.use_cache and not mixed  # X-LoRA's demand
        if mixed:
            config.adapters = {number: str(directory / folder) for number, folder in mixed.items()}
        model = peft.PeftModel.from_pretrained(model, directory, is_trainable=not prompt, **(dict(config=config) if mixed else {}))
    missed = [str(w.message) for w in told if "missing" in str(w.message)]
    if missed:
        raise SystemExit("PEFT: " + missed[0][:300])
    model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(again, selected_adapters=["default"])
    if mixed:  # PEFT leaves out layers of the classifier, and would write the whole base beside each adapter
        write_classifier(model, again)
        for number in mixed:
            shutil.copytree(directory / number, again / number)
    ours, theirs = load_file(directory / "adapter_model.safetensors"), load_file(again / "adapter_model.safetensors")
    if set(ours) != set(theirs):
        raise SystemExit(f"PEFT writes other keys: {sorted(set(ours) ^ set(theirs))[:4]}")
    for key, value in ours.items():
        if value.shape != theirs[key].shape or not torch.equal(value, theirs[key]):
            raise SystemExit("PEFT has another value of " + key)
    random = torch.Generator().manual_seed(7)
    ids = torch.randint(3, model.config.vocab_size, (2, 16), generator=random)
    mask = torch.ones_like(ids)
    mask[1, 11:] = 0
    labels = ids.clone()
    labels[:, :3] = -100
    labels[mask == 0] = -100
    multitask = model.peft_config["default"].peft_type == "MULTITASK_PROMPT_TUNING"
    extra = dict(task_ids=torch.tensor([0, 1])) if multitask else {}
    out = model(input_ids=ids, attention_mask=mask, labels=labels, **extra)
    if not prompt:
        out.loss.backward()
    tensors = dict(input_ids=ids, attention_mask=mask, labels=labels, logits=out.logits.detach(), loss=out.loss.detach().reshape(1))
    if extra:
        tensors["task_ids"] = extra["task_ids"]
    for name, parameter in model.named_parameters(remove_duplicate=False):
        key = name.replace(".default", "").replace("lora_magnitude_vector.weight", "lora_magnitude_vector").replace(".modules_to_save", "")
        if parameter.grad is not None and key in ours:
            tensors["grad." + key] = parameter.grad
    if not prompt and not mixed:
        if not getattr(model.peft_config["default"], "lora_bias", False):  # PEFT needs a bias to merge one
            with torch.no_grad():
                tensors["merged_logits"] = model.merge_and_unload()(input_ids=ids, attention_mask=mask).logits
    save_file({key: value.clone().contiguous() for key, value in tensors.items()}, golden)


def train(settings, directory, name, command):
    """Trains for three steps into a directory of this name."""
    data = directory / "data.jsonl"
    data.write_text("".join(json.dumps(dict(prompt=f"Who is number {i}?", completion=f" It is {i * 7}.", task_id=i % 2)) + "\n" for i in range(6)))
    config = dict(settings, model_name_or_path=str(MODEL), train_file=str(data), output_dir=str(directory / name), max_steps=3,
                  per_device_train_batch_size=2, logging_steps=3)
    if config["method"] == "adalora":
        config.update(tinit=0, tfinal=0)
    (directory / (name + ".yaml")).write_text(json.dumps(config))
    return finetune(command, "train", directory / (name + ".yaml"))


def exchange(row, directory, command):
    """Returns what is wrong, or None; a text that begins with a dash says why there is nothing to exchange."""
    directory.mkdir(parents=True)
    settings = dict(row["settings"])
    if "adapters" in settings:
        for name, lora in settings["adapters"].items():
            train(dict(lora, learning_rate=1e-2), directory, name, command)
        settings["adapters"] = {name: str(directory / name) for name in settings["adapters"]}
    code, _, error = train(settings, directory, "out", command)
    if code != 0:
        return "- " + error.strip().splitlines()[-1][:160]
    adapter = next(iter(sorted(path.parent for path in (directory / "out").rglob("adapter_config.json") if "checkpoint" not in str(path))), None)
    if adapter is None or json.loads((adapter / "adapter_config.json").read_text()).get("peft_type") not in peft_types():
        return "- no adapter of PEFT's"
    golden, again = directory / "golden.safetensors", directory / "again"
    child = subprocess.run([sys.executable, __file__, "--compute", adapter, golden, again], capture_output=True, text=True)
    if child.returncode != 0:
        return child.stderr.strip().splitlines()[-1][:300]
    for files in (adapter, again):
        code, out, error = finetune(command, "verify", "--model", MODEL, "--adapter", files, "--golden", golden)
        if code != 0:
            return files.name + ": " + " ".join(line for line in out.splitlines() if "MISMATCH" in line)[:300] + error.strip()[-200:]
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--finetune", default=str(ROOT / "finetune"))
    parser.add_argument("--compute", nargs=3, type=pathlib.Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    if arguments.compute:
        return peft_computes(*arguments.compute)
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        base = arguments.keep or pathlib.Path(scratch)
        for number, row in enumerate(rows(arguments.only)):
            wrong = exchange(row, base / str(number), arguments.finetune)
            skipped = wrong is not None and wrong.startswith("- ")
            failed += wrong is not None and not skipped
            print(f"{row['name']:28} {'ok' if wrong is None else wrong if skipped else 'DIFFERS: ' + wrong}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
