#!/usr/bin/env python3
"""Records what PEFT computes with an adapter of every method, as the parity tests read it.

  ENV/bin/python bench/peft_goldens.py [--only NAME ...] [--output DIR]

ENV has torch, transformers and peft. For every row of CASES an adapter is made on a small model of the tests, its numbers are drawn
anew (nothing is at its neutral start), and DIR/BASE/NAME gets the adapter's files and golden.safetensors: a batch, the logits, the loss,
the gradient of every number, the logits after merging, and a greedy continuation. Rows that are there already are left alone.
"""
import argparse, json, os, pathlib, re

ROOT = pathlib.Path(__file__).resolve().parent.parent
BASES = ROOT / "finetune-core/src/test/resources/goldens/arch"
GOLDENS = ROOT / "finetune-peft/src/test/resources/goldens/peft"
LLAMA = ["q_proj", "v_proj", "down_proj"]
GPT2 = ["c_attn", "mlp.c_proj"]
# What X-LoRA mixes: LoRA adapters of other places and ranks.
EXPERTS = [dict(r=4, lora_alpha=8, target_modules=LLAMA), dict(r=2, lora_alpha=6, target_modules=["q_proj", "o_proj"]), dict(r=3, target_modules=["gate_proj", "v_proj"])]

# base, name, the configuration's class, its settings
CASES = [
    ("llama", "boft", "BOFTConfig", dict(boft_block_size=8, target_modules=LLAMA)),
    ("llama", "boft-butterfly", "BOFTConfig", dict(boft_block_size=4, boft_n_butterfly_factor=2, target_modules=["q_proj", "v_proj"])),
    ("llama", "boft-blocks", "BOFTConfig", dict(boft_block_size=0, boft_block_num=8, boft_n_butterfly_factor=3, target_modules=["o_proj", "down_proj"])),
    ("llama", "trainable-tokens", "TrainableTokensConfig", dict(token_indices=[5, 9, 77])),
    ("llama", "trainable-tokens-both", "TrainableTokensConfig", dict(token_indices=[5, 9], target_modules=["embed_tokens", "lm_head"])),
    ("llama-tied", "trainable-tokens", "TrainableTokensConfig", dict(token_indices=[5, 9, 77])),
    ("gpt2", "trainable-tokens", "TrainableTokensConfig", dict(token_indices=[5, 9, 77], target_modules=["wte"])),
    ("llama", "miss", "MissConfig", dict(r=8, target_modules=LLAMA)),
    ("llama", "miss-remainder", "MissConfig", dict(r=7, target_modules=LLAMA)),
    ("llama", "miss-mini", "MissConfig", dict(r=8, mini_r=4, init_weights="mini", target_modules=LLAMA)),
    ("qwen2", "miss-bat", "MissConfig", dict(r=8, init_weights="bat", target_modules=["q_proj", "o_proj"])),
    ("llama", "road", "RoadConfig", dict(group_size=8, target_modules=LLAMA)),
    ("llama", "road-2", "RoadConfig", dict(variant="road_2", group_size=8, target_modules=LLAMA)),
    ("qwen2", "road-4", "RoadConfig", dict(variant="road_4", group_size=8, target_modules=LLAMA)),
    ("llama", "delora", "DeloraConfig", dict(r=4, delora_lambda=3, target_modules=LLAMA)),
    ("qwen2", "delora-patterns", "DeloraConfig", dict(r=4, rank_pattern={"q_proj": 6}, lambda_pattern={"v_proj": 2}, target_modules=LLAMA)),
    ("llama", "c3a", "C3AConfig", dict(block_size=8, target_modules=LLAMA)),
    ("qwen2", "c3a-patterns", "C3AConfig", dict(block_size=8, block_size_pattern={"q_proj": 4}, target_modules=LLAMA)),
    ("llama", "shira", "ShiraConfig", dict(r=2, random_seed=3, target_modules=LLAMA)),
    ("llama", "hira", "HiraConfig", dict(r=4, target_modules=LLAMA)),
    ("gpt2", "hira", "HiraConfig", dict(r=4, target_modules=GPT2, fan_in_fan_out=True)),
    ("mixtral", "lora-target-parameters", "LoraConfig", dict(r=2, lora_alpha=6, target_modules=["q_proj"], target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"])),
    ("qwen3_moe", "lora-target-parameters", "LoraConfig", dict(r=2, lora_alpha=6, target_modules=[], target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"])),
    ("qwen3_moe", "lora-target-parameter", "LoraConfig", dict(r=3, use_rslora=True, target_modules=["v_proj"], target_parameters=["experts.down_proj"])),
    ("mixtral", "lora-router", "LoraConfig", dict(r=2, lora_alpha=6, target_modules=["q_proj"], target_parameters=["gate.weight"], alpha_pattern={"gate.weight": 9})),
    ("qwen3_moe", "lora-all-linear", "LoraConfig", dict(r=2, lora_alpha=5, target_modules="all-linear")),
    ("gpt_oss", "lora-target-parameters", "LoraConfig", dict(r=2, lora_alpha=6, target_modules=["q_proj", "o_proj"],
                                                             target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj", "router.weight"])),
    ("gpt_oss", "prefix", "PrefixTuningConfig", dict(num_virtual_tokens=4)),
    ("qwen2_moe", "lora-all-linear", "LoraConfig", dict(r=2, lora_alpha=5, target_modules="all-linear")),
    ("granite", "lora-all-linear", "LoraConfig", dict(r=2, lora_alpha=6, target_modules="all-linear")),
    ("cohere2", "prefix", "PrefixTuningConfig", dict(num_virtual_tokens=4)),
    ("phi", "lora-all-linear", "LoraConfig", dict(r=2, lora_alpha=6, target_modules="all-linear")),
    ("llama", "randlora", "RandLoraConfig", dict(r=10, randlora_alpha=20, target_modules=LLAMA)),
    ("gpt2", "randlora", "RandLoraConfig", dict(r=16, randlora_alpha=20, sparse=True, target_modules=GPT2, fan_in_fan_out=True)),
    ("llama", "gralora", "GraloraConfig", dict(r=8, alpha=16, gralora_k=4, target_modules=LLAMA)),
    ("gpt2", "gralora", "GraloraConfig", dict(r=4, alpha=6, gralora_k=2, hybrid_r=3, target_modules=GPT2, fan_in_fan_out=True)),
    ("llama", "vblora", "VBLoRAConfig", dict(r=3, num_vectors=20, vector_length=8, init_vector_bank_bound=0.5, init_logits_std=1.0, target_modules=LLAMA)),
    ("gpt2", "vblora", "VBLoRAConfig", dict(r=2, num_vectors=12, vector_length=16, topk=3, init_vector_bank_bound=0.5, init_logits_std=1.0, target_modules=GPT2, fan_in_fan_out=True)),
    ("llama", "multitask", "MultitaskPromptTuningConfig", dict(num_virtual_tokens=4, num_tasks=2)),
    ("gpt2", "multitask-ranks", "MultitaskPromptTuningConfig", dict(num_virtual_tokens=5, num_tasks=3, num_ranks=2)),
    ("qwen2", "boft", "BOFTConfig", dict(boft_block_size=4, target_modules=LLAMA)),
    ("llama-seqcls", "prompt", "PromptTuningConfig", dict(num_virtual_tokens=4)),
    ("llama-seqcls", "prefix", "PrefixTuningConfig", dict(num_virtual_tokens=4)),
    ("llama-seqcls", "ptuning", "PromptEncoderConfig", dict(num_virtual_tokens=4, encoder_hidden_size=16)),
    ("bert-seqcls", "prompt", "PromptTuningConfig", dict(num_virtual_tokens=4)),
    ("bert-seqcls", "prefix", "PrefixTuningConfig", dict(num_virtual_tokens=4)),
    ("bert-seqcls", "prefix-projection", "PrefixTuningConfig", dict(num_virtual_tokens=3, prefix_projection=True, encoder_hidden_size=12)),
    ("bert-seqcls", "ptuning", "PromptEncoderConfig", dict(num_virtual_tokens=4, encoder_hidden_size=16)),
    ("llama", "xlora", "XLoraConfig", dict(adapters=EXPERTS)),
    ("llama", "xlora-layers", "XLoraConfig", dict(adapters=EXPERTS, layerwise_scalings=True, xlora_depth=3, xlora_size=12, softmax_temperature=0.5,
                                                  scaling_pass_value=0.5, global_scaling_weight=1.5)),
    ("qwen2", "xlora-top", "XLoraConfig", dict(adapters=EXPERTS, layerwise_scalings=True, top_k_lora=2, enable_softmax=False, enable_softmax_topk=True,
                                               xlora_depth=2, xlora_size=10, xlora_dropout_p=0.0)),
    ("gemma2", "xlora-trained", "XLoraConfig", dict(adapters=EXPERTS[:2], top_k_lora=1, use_trainable_adapters=True)),
]


def butterfly_on_cpu():
    """PEFT makes block diagonals by a kernel for GPUs alone and drops all factors but one elsewhere: this is the same without it."""
    import torch
    import peft.tuners.boft.layer as boft

    class BlockDiagonal:
        @staticmethod
        def apply(x):  # [factors, blocks, size, size]
            return torch.stack([torch.block_diag(*torch.unbind(factor)) for factor in x])

    boft.get_fbd_cuda = lambda: True
    boft.FastBlockDiag = BlockDiagonal


def derivative_of_circular_convolution():
    """PEFT 0.21 has another derivative than the function's own by the input of C3A (its gradcheck fails): this is autograd's."""
    import torch
    import peft.tuners.c3a.layer as c3a

    class Convolution:
        @staticmethod
        def apply(x, w):  # [..., n * b], [m, n, b]
            _, n, b = w.shape
            spectrum = torch.einsum("...nb,mnb->...mb", torch.fft.ifft(x.reshape(*x.shape[:-1], n, b)), torch.fft.fft(w))
            return torch.fft.fft(spectrum).real.flatten(-2)

    c3a.BlockCircularConvolution = Convolution


def batch(torch, vocabulary, seed=3):
    random = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, vocabulary, (2, 12), generator=random)
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    ids[1, 9:] = 0
    labels = ids.clone()
    labels[:, :4] = -100
    labels[mask == 0] = -100
    return ids, mask, labels


def randomise(torch, model, seed):
    """Moves every number that trains away from its start, by about its own size. X-LoRA's adapters have files already."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and "lora_model" not in name:
                noise = torch.randn(parameter.shape, generator=random)
                parameter.copy_(parameter + 0.1 * noise.to(parameter.dtype))


def experts(path, loras, target):
    """Writes LoRA adapters of drawn numbers into folders of their numbers, and gives X-LoRA's map of them and the model's size."""
    import peft, torch, transformers

    for number, lora in enumerate(loras):
        model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
        model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **lora))
        random = torch.Generator().manual_seed(20 + number)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.copy_(0.3 * torch.randn(parameter.shape, generator=random))
        model.peft_config["default"].base_model_name_or_path = None
        model.base_model.model.name_or_path = None
        model.save_pretrained(target / str(number))
        (target / str(number) / "README.md").unlink(missing_ok=True)
    return dict(adapters={str(number): str(target / str(number)) for number in range(len(loras))}, hidden_size=model.config.hidden_size)


def write_classifier(model, target):
    """PEFT 0.21 leaves out layers of X-LoRA's classifier whose number is an adapter's name: this is the file with all of them."""
    from safetensors.torch import save_file

    own = {key: value.contiguous() for key, value in model.state_dict().items() if "internal_xlora_classifier" in key}
    save_file(own, target / "adapter_model.safetensors", metadata={"format": "pt"})


def record(base, name, kind, settings, target):
    import peft, torch, transformers
    from safetensors.torch import save_file

    torch.manual_seed(11)
    path = BASES / base
    mixes = kind == "XLoraConfig"
    if mixes:
        settings = dict(settings, **experts(path, settings["adapters"], target))
    classifies = base.endswith("seqcls")
    config = getattr(peft, kind)(task_type="SEQ_CLS" if classifies else "CAUSAL_LM", **settings)
    kind_of_model = transformers.AutoModelForSequenceClassification if classifies else transformers.AutoModelForCausalLM
    model = kind_of_model.from_pretrained(path, dtype=torch.float32, attn_implementation="eager")
    model.config.use_cache = getattr(model.config, "use_cache", True) and not mixes  # PEFT's demand
    model = peft.get_peft_model(model, config)
    model.eval()
    randomise(torch, model, 5)
    model.peft_config["default"].base_model_name_or_path = "arch/" + base
    if mixes:
        config.adapters = {number: number for number in config.adapters}  # folders beside the file
        model.peft_config["default"].adapters = config.adapters
    model.save_pretrained(target, selected_adapters=["default"])  # of X-LoRA's adapters PEFT 0.21 would write the whole base
    if mixes:
        write_classifier(model, target)
    ids, mask, labels = batch(torch, model.config.vocab_size)
    if classifies:
        labels = torch.tensor([1, 0])
    if classifies and "bert" not in base:  # without padding: transformers takes the last position of rows of vectors, which is none of their tokens
        ids, mask = ids.where(mask == 1, 7), torch.ones_like(mask)
    extra = dict(token_type_ids=(torch.arange(12) > 6).long().repeat(2, 1)) if "bert" in base else {}
    if "MULTITASK" in str(config.peft_type):
        extra = dict(task_ids=torch.tensor([0, 1]))
    out = model(input_ids=ids, attention_mask=mask, labels=labels, **extra)
    out.loss.backward()
    tensors = dict(extra, input_ids=ids, attention_mask=mask, labels=labels, logits=out.logits.detach(), loss=out.loss.detach().reshape(1))
    numbers = 0
    seen = set()
    for key, parameter in model.named_parameters(remove_duplicate=False):
        of_a_layer = "vblora_vector_bank" in key and not key.startswith("base_model.vblora_vector_bank")
        if parameter.requires_grad and parameter.grad is not None and not of_a_layer:
            numbers += 0 if id(parameter) in seen else parameter.numel()
            seen.add(id(parameter))
            prompt = key.startswith("prompt_encoder")
            mixed = re.sub(r"^base_model\.lora_model\.(.*\.lora_[AB])\.(\d+)\.", r"\2/base_model.\1.", key.replace("modules_to_save.", ""))
            tensors["grad." + (key if prompt else mixed.replace(".default", ""))] = parameter.grad
            if prompt:
                tensors["param." + key] = parameter.detach()
    with torch.no_grad():
        extra = dict(task_ids=torch.tensor([1])) if "task_ids" in extra else {}
        tensors.update({"gen." + key: value for key, value in extra.items()})
        if not classifies:
            tensors["gen.output_ids"] = model.generate(input_ids=ids[:1], attention_mask=mask[:1], max_new_tokens=8, do_sample=False, **extra)
        if hasattr(model, "merge_and_unload") and not extra and not mixes:
            tensors["merged_logits"] = model.merge_and_unload()(input_ids=ids, attention_mask=mask).logits
    save_file({key: value.clone().contiguous() for key, value in tensors.items()}, target / "golden.safetensors")
    made = dict(peft=peft.__version__, transformers=transformers.__version__, torch=torch.__version__)
    facts = dict(base="arch/" + base, method=name, loss=out.loss.item(), trainable_parameters=numbers, made_with=made)
    (target / "golden.json").write_text(json.dumps(facts, indent=1) + "\n")
    readme = target / "README.md"
    if readme.exists():
        readme.unlink()
    print(f"{base}/{name}: loss {out.loss.item():.6f}, {numbers} numbers")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--output", type=pathlib.Path, default=GOLDENS)
    arguments = parser.parse_args()
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    butterfly_on_cpu()
    derivative_of_circular_convolution()
    for base, name, kind, settings in CASES:
        target = arguments.output / base / name
        wanted = arguments.only is None or name in arguments.only
        if wanted and not (target / "golden.safetensors").exists():
            record(base, name, kind, settings, target)


if __name__ == "__main__":
    main()
