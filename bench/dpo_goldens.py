#!/usr/bin/env python3
"""Records what TRL's DPO trainer computes with every loss and setting, as `finetune verify --pref` reads it.

  ENV/bin/python bench/dpo_goldens.py --policy arch/llama --reference pref/reference --pairs 2 --length 8 --output DIR/NAME [--only CASE ...]

ENV has torch, transformers and trl. Policy and reference are named relative to DIR, where golden.json names them too. Pairs of random tokens
are drawn by the seed. TRL's own `_compute_loss` runs on them; losses, gradients by the policy's scores and metrics go into NAME. Cases where TRL
multiplies infinity by zero are left out: its discopop where exp(-x) is too large for a number, as with forward_kl far from the reference; the
loss itself is finite there (DiscopopLoss).
"""
import argparse, collections, json, os, pathlib, types

SMOOTHED = ["robust", "exo_pair", "aot", "aot_unpaired"]
LOSSES = "sigmoid hinge ipo exo_pair nca_pair robust bco_pair sppo_hard aot aot_unpaired apo_zero apo_down discopop sigmoid_norm".split()
METRICS = ["rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected"]
DEFAULTS = dict(beta=0.1, label_smoothing=0.0, loss_types=["sigmoid"], loss_weights=None, ld_alpha=None, f_divergence_type="reverse_kl",
                f_alpha_divergence_coef=0.5, use_weighting=False, discopop_tau=0.05)


def cases():
    """Settings by name. TRL 1.13 cannot weigh `sft` (use_weighting): it changes an expanded tensor in place."""
    named = {}
    for loss in LOSSES:
        own = dict(loss_types=[loss], label_smoothing=0.15 if loss in SMOOTHED else 0.0)
        named["dpo_" + loss] = own
        named["dpo_ld_" + loss] = dict(own, ld_alpha=0.35, beta=0.2)
        if not loss.startswith("aot"):
            named["dpo_wpo_" + loss] = dict(own, use_weighting=True, beta=0.3)
    for divergence in ["forward_kl", "js_divergence", "alpha_divergence"]:
        for loss in ["sigmoid", "ipo", "hinge", "robust", "exo_pair", "sigmoid_norm", "discopop"]:
            named[f"dpo_{divergence}_{loss}"] = dict(f_divergence_type=divergence, f_alpha_divergence_coef=0.7, loss_types=[loss],
                                                     label_smoothing=0.1 if loss in SMOOTHED else 0.0)
    named["dpo_ld_zero"] = dict(ld_alpha=0.0)
    named["dpo_discopop_tau"] = dict(loss_types=["discopop"], discopop_tau=0.2)
    named["dpo_mpo"] = dict(loss_types=["sigmoid", "bco_pair", "sft"], loss_weights=[0.8, 0.2, 1.0])
    named["dpo_wpo_two"] = dict(loss_types=["sigmoid", "bco_pair"], loss_weights=[0.8, 0.2], use_weighting=True)
    named["dpo_wpo_ld_js"] = dict(f_divergence_type="js_divergence", use_weighting=True, ld_alpha=0.25)
    return named


def batch(torch, pairs, length, vocabulary, seed):
    random = torch.Generator().manual_seed(seed)
    draw = lambda low, high, count=1: torch.randint(low, high, (count,), generator=random)
    ids, mask, answers = (torch.zeros(2 * pairs, length, dtype=torch.long) for _ in range(3))
    for pair in range(pairs):
        start = int(draw(1, max(2, length // 3)))
        prompt = draw(3, vocabulary, start)
        for row in (pair, pair + pairs):
            count = int(draw(1, length - start + 1))
            ids[row, :start] = prompt
            ids[row, start:start + count] = draw(3, vocabulary, count)
            mask[row, :start + count] = 1
            answers[row, start:start + count] = 1
    return dict(input_ids=ids, attention_mask=mask, completion_mask=answers)


def logprobs(torch, model, inputs, name):
    ids, answers = inputs["input_ids"], inputs["completion_mask"]
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=inputs["attention_mask"]).logits
    tokens = logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None]).squeeze(-1) * answers[:, 1:]
    sums = tokens.sum(1)
    return {name + ".logits": logits, name + ".per_token_logps": tokens, name + ".logps": sums, name + ".avg_logps": sums / answers[:, 1:].sum(1)}


def trainer(torch, policy, reference, settings):
    """What `_compute_loss` asks of a trainer, and a model that keeps its scores."""
    class Policy(torch.nn.Module):
        is_gradient_checkpointing = False

        def __init__(self):
            super().__init__()
            self.inner = policy

        def forward(self, **inputs):
            out = self.inner(**inputs)
            out.logits.retain_grad()
            self.logits = out.logits
            return out

    same = lambda value: value
    accelerator = types.SimpleNamespace(device=torch.device("cpu"), gather=same, gather_for_metrics=same, unwrap_model=same)
    count = dict(train=collections.defaultdict(list), eval=collections.defaultdict(list))
    given = dict(settings, loss_weights=settings["loss_weights"] or [1.0] * len(settings["loss_types"]))
    return types.SimpleNamespace(
        **given, args=types.SimpleNamespace(gradient_checkpointing_kwargs=None, discopop_tau=settings["discopop_tau"]), model=Policy().eval(),
        ref_model=reference, accelerator=accelerator, aux_loss_enabled=False, precompute_ref_logps=False, _metrics=count, _total_train_tokens=0,
        _tp_size=1)


def described(settings, loss, metrics):
    types_ = settings["loss_types"]
    case = dict(loss=loss, beta=settings["beta"], label_smoothing=settings["label_smoothing"], trl_loss_type=types_ if len(types_) > 1 else types_[0])
    for key in ["loss_weights", "ld_alpha", "f_divergence_type", "use_weighting", "discopop_tau"]:
        if settings[key] != DEFAULTS[key]:
            case[key] = settings[key]
    if settings["f_divergence_type"] == "alpha_divergence":
        case["f_alpha_divergence_coef"] = settings["f_alpha_divergence_coef"]
    return dict(case, metrics={name: metrics[name][-1] for name in METRICS})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", required=True)
    parser.add_argument("--reference", required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--length", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*")
    arguments = parser.parse_args()
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    import torch, transformers, trl
    from safetensors.torch import save_file
    from trl.trainer.dpo_trainer import DPOTrainer

    relu = torch.relu
    torch.relu = lambda value: relu(value) * 1  # use_weighting changes the hinge loss in place, which its derivative needs
    folder = arguments.output.resolve().parent
    load = lambda name: transformers.AutoModelForCausalLM.from_pretrained(folder / name, dtype=torch.float32, attn_implementation="eager").eval()
    policy, reference = load(arguments.policy), load(arguments.reference)
    inputs = batch(torch, arguments.pairs, arguments.length, policy.config.vocab_size, arguments.seed)
    arguments.output.mkdir(parents=True, exist_ok=True)
    write = lambda name, tensors: save_file({key: value.contiguous() for key, value in tensors.items()}, arguments.output / name)
    write("batch.safetensors", inputs)
    write("logps.safetensors", logprobs(torch, policy, inputs, "policy") | logprobs(torch, reference, inputs, "reference"))
    tensors, recorded = {}, {}
    for name, own in cases().items():
        if arguments.only and name not in arguments.only:
            continue
        settings = DEFAULTS | own
        running = trainer(torch, policy, reference, settings)
        loss = DPOTrainer._compute_loss(running, running.model, dict(inputs), False)
        loss.backward()
        if not (loss.isfinite() and running.model.logits.grad.isfinite().all()):
            print(f"{name}: TRL has no number, its loss is {loss.item()}: left out")
            continue
        tensors[name + ".loss"] = loss.detach().reshape(1)
        tensors[name + ".grad_logits"] = running.model.logits.grad.clone()
        recorded[name] = described(settings, loss.item(), running._metrics["eval"])
    write("losses.safetensors", tensors)
    made = dict(torch=torch.__version__, transformers=transformers.__version__, trl=trl.__version__)
    golden = dict(policy=arguments.policy, reference=arguments.reference, cases=recorded, made_with=made)
    (arguments.output / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")
    print(f"{arguments.output}: {len(recorded)} cases")


if __name__ == "__main__":
    main()
