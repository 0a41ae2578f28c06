#!/usr/bin/env python3
"""Random models of every architecture that GGUF export knows, in llama.cpp and in transformers: the ids of prompts, the log-probabilities of the
whole vocabulary and 24 greedy tokens. Weights are far apart, norms and biases no identities, and each architecture has several settings.

  python3 bench/gguf_against_transformers.py --tokenizers DIR --llama "chroot /tmp/llamacpp llama-server" --share /tmp/llamacpp/x:/x [phi3 mixtral-1 ...]

--tokenizers has a folder with tokenizer.json for each of gpt2, llama2, llama3, mistral-v0.3, phi3, qwen2.5, smollm2. --llama is the command that starts
llama.cpp's server; where it runs in another root, --share HERE:THERE names a directory that both see. Needs torch and transformers 5. Names choose
cases by how they begin. A JSON line for each case: "difference" is the largest of any log-probability, "greedy" how many tokens were alike for
each prompt, "other_ids" the prompts that llama.cpp reads in another way.
"""
import argparse, json, math, os, shlex, shutil, subprocess, sys, tempfile, time, urllib.request
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

SIZES = dict(hidden_size=64, intermediate_size=160, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256)
PROMPTS = [
    "The quick brown fox",
    "In 2024, she'd bought 1234567 apples & oranges; they've cost $3.50 each.\n\n  def f(x):\n\treturn x**2  # squared",
    "Once upon a time there was a little girl who lived near the forest. She went to the market every day, and sold 25 eggs. "
    "Ünïcödé naïve façade 東京 déjà vu! It's WE'LL I'M   three spaces, and then the story of the old man and the sea went on for "
    "many more words until it ended.",
]


def rope(kind="default", theta=1e4, **more):
    return dict(rope_type=kind, rope_theta=theta, **more)


def yarn(theta=1e4, **more):
    return rope("yarn", theta, factor=4.0, original_max_position_embeddings=64, **more)


def long_rope(pairs, **more):
    return dict(max_position_embeddings=1024, original_max_position_embeddings=256, rope_parameters=rope(
        "longrope", original_max_position_embeddings=256, short_factor=[1 + 0.05 * i for i in range(pairs)],
        long_factor=[1 + 0.6 * i for i in range(pairs)], **more))


def experts(number, used, inner, **more):
    return dict(num_experts=number, num_experts_per_tok=used, moe_intermediate_size=inner, **more)


ALL = dict(num_key_value_heads=4)  # no shared heads
TIED = dict(tie_word_embeddings=True)
UNTIED = dict(tie_word_embeddings=False)
LLAMA3 = rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
GRANITE = dict(embedding_multiplier=6.0, logits_scaling=4.0, residual_multiplier=0.4, attention_multiplier=0.1)
GRANITE_2 = dict(embedding_multiplier=1.0, logits_scaling=0.5, residual_multiplier=0.7, attention_multiplier=0.3)
# Architecture: its model_type, and for each setting the tokenizer and what differs from SIZES.
CASES = {
    "llama": ("llama", [("llama2", dict(rope_parameters=yarn(attention_factor=1.3))), ("llama2", dict(rope_parameters=yarn())),
                        ("llama2", dict(attention_bias=True, mlp_bias=True, head_dim=24))]),
    "mistral": ("mistral", [("mistral-v0.3", dict(sliding_window=128))]),
    "qwen2": ("qwen2", [("qwen2.5", TIED)]),
    "phi3": ("phi3", [("phi3", ALL), ("phi3", TIED | dict(sliding_window=128, original_max_position_embeddings=256,
                                                          rope_parameters=rope(theta=5e4, partial_rotary_factor=0.75))),
                      ("phi3", long_rope(8)), ("phi3", TIED | long_rope(6, partial_rotary_factor=0.75)),
                      ("phi3", long_rope(8, attention_factor=1.4))]),
    "mixtral": ("mixtral", [("llama2", dict(num_local_experts=4, num_experts_per_tok=2)),
                            ("mistral-v0.3", TIED | dict(num_local_experts=6, num_experts_per_tok=3, head_dim=24, sliding_window=128))]),
    "qwen3moe": ("qwen3_moe", [("qwen2.5", experts(6, 2, 48, head_dim=24, norm_topk_prob=True)),
                               ("qwen2.5", ALL | TIED | experts(8, 3, 32, head_dim=16, norm_topk_prob=True, rope_parameters=yarn(1e6)))]),
    "qwen2moe": ("qwen2_moe", [("qwen2.5", experts(6, 2, 48, shared_expert_intermediate_size=96, norm_topk_prob=False)),
                               ("qwen2.5", ALL | TIED | experts(8, 4, 32, shared_expert_intermediate_size=64, norm_topk_prob=False, qkv_bias=False))]),
    "olmoe": ("olmoe", [("neox", ALL | experts(8, 3, 0, intermediate_size=48, norm_topk_prob=False)),
                        ("gpt2", ALL | TIED | experts(4, 2, 0, intermediate_size=48, norm_topk_prob=False, rope_parameters=rope("linear", factor=2.0)))]),
    "smollm3": ("smollm3", [("llama3", TIED | dict(num_hidden_layers=5)),
                            ("smollm2", ALL | UNTIED | dict(rope_parameters=yarn(5e5, attention_factor=1.2)))]),
    "granite": ("granite", [("smollm2", TIED | GRANITE),
                            ("llama3", UNTIED | GRANITE_2 | dict(attention_bias=True, mlp_bias=True, rope_parameters=LLAMA3)),
                            ("smollm2", ALL | TIED | GRANITE | dict(residual_multiplier=1.0, attention_multiplier=1.0))]),
    "starcoder2": ("starcoder2", [("smollm2", TIED | dict(sliding_window=128)),
                                  ("smollm2", UNTIED | dict(num_key_value_heads=1, sliding_window=None, rope_parameters=rope("linear", 1e5, factor=2.0)))]),
    "olmo2": ("olmo2", [("gpt4", dict(rope_parameters=rope(theta=5e5))), ("gpt4", ALL | TIED | dict(rope_parameters=yarn()))]),
    "olmo3": ("olmo3", [("gpt4", dict(num_hidden_layers=5, sliding_window=16, rope_parameters=dict(
                            full_attention=yarn(5e5, attention_factor=1.2), sliding_attention=rope(theta=5e5)))),
                        ("neox", ALL | TIED | dict(num_hidden_layers=8, sliding_window=16))]),
    "glm4": ("glm4", [("gpt4", dict(head_dim=16, attention_bias=True)),
                      ("gpt4", ALL | TIED | dict(head_dim=16, attention_bias=False, rope_parameters=rope(theta=1e5, partial_rotary_factor=0.25)))]),
    "glm": ("glm", [("gpt4", dict(head_dim=16, attention_bias=True)),
                    ("gpt4", TIED | dict(num_key_value_heads=1, head_dim=16, attention_bias=False, rope_parameters=rope(theta=1e5, partial_rotary_factor=1.0)))]),
    "cohere2": ("cohere2", [("smollm2", dict(num_hidden_layers=8, sliding_window=16, logit_scale=0.25)),
                            ("smollm2", ALL | dict(num_hidden_layers=5, sliding_window=64, logit_scale=2.0, layer_norm_eps=1e-3))]),
    "cohere": ("cohere", [("smollm2", dict(logit_scale=0.25)),
                          ("smollm2", dict(num_hidden_layers=64, use_qk_norm=True, logit_scale=0.25, layer_norm_eps=1e-3))]),
    "gptneox": ("gpt_neox", [("neox", ALL | dict(hidden_act="gelu", rope_parameters=rope(partial_rotary_factor=0.25))),
                             ("gpt2", ALL | TIED | dict(hidden_act="gelu_new", use_parallel_residual=False, layer_norm_eps=1e-3,
                                                        rope_parameters=rope(theta=1e3, partial_rotary_factor=0.5))),
                             ("neox", ALL | dict(hidden_act="gelu_fast", rope_parameters=rope(partial_rotary_factor=1.0)))]),
    "phi2": ("phi", [("neox", ALL | dict(rope_parameters=rope(partial_rotary_factor=0.5))),
                     ("gpt2", dict(layer_norm_eps=1e-3, rope_parameters=rope(theta=1e5, partial_rotary_factor=0.25)))]),
    "stablelm": ("stablelm", [("qwen2.5", dict(use_qkv_bias=True, rope_parameters=rope(partial_rotary_factor=0.25))),
                              ("qwen2.5", dict(use_parallel_residual=True, qk_layernorm=True, rope_parameters=rope(partial_rotary_factor=0.5))),
                              ("neox", ALL | TIED | dict(qk_layernorm=True, layer_norm_eps=1e-3, rope_parameters=rope(partial_rotary_factor=1.0)))]),
    "gemma": ("gemma", [("llama2", dict(head_dim=16)), ("llama2", dict(num_key_value_heads=1, head_dim=24))]),
    "gemma2": ("gemma2", [("llama2", dict(head_dim=16, query_pre_attn_scalar=16, sliding_window=16))]),
    "gpt2": ("gpt2", [("gpt2", dict())]),
    "gemma3": ("gemma3_text", [("llama2", UNTIED | dict(num_hidden_layers=7, head_dim=16, query_pre_attn_scalar=16, sliding_window=16))]),
    "qwen3": ("qwen3", [("qwen2.5", dict(head_dim=24))]),
}


def write_tokenizer(source, name, folder):
    """GPT-NeoX's (NFC, runs of spaces that are no special tokens) and that of OLMo 2 and GLM-4 (merges decide) are made of GPT-2's and Llama 3's."""
    base = os.path.join(source, {"neox": "gpt2", "gpt4": "llama3"}.get(name, name))
    tokenizer = json.load(open(os.path.join(base, "tokenizer.json")))
    vocabulary, added = tokenizer["model"]["vocab"], tokenizer["added_tokens"]
    if name == "neox":
        tokenizer["normalizer"] = {"type": "NFC"}
        added += [dict(id=len(vocabulary) + i, content=" " * (24 - i), single_word=False, lstrip=False, rstrip=False, normalized=True, special=False)
                  for i in range(23)]
    if name == "gpt4":
        tokenizer["model"]["ignore_merges"] = False
    json.dump(tokenizer, open(os.path.join(folder, "tokenizer.json"), "w"))
    if os.path.exists(os.path.join(base, "tokenizer_config.json")):
        shutil.copy(os.path.join(base, "tokenizer_config.json"), folder)
    return -(-(max(list(vocabulary.values()) + [token["id"] for token in added]) + 1) // 64) * 64


def make(kind, seed, vocabulary, settings, folder):
    config = AutoConfig.for_model(kind, vocab_size=vocabulary, **(dict(pad_token_id=0) | SIZES | settings))
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith("bias"):
                value.normal_(0, 0.2)
            elif value.dim() == 1 or "norm" in name:
                value.normal_(0 if kind.startswith("gemma") else 1, 0.3)
            else:
                value.normal_(0, 1 if "embed" in name else 1.5 / math.sqrt(value.shape[-1]))
        if config.tie_word_embeddings:
            model.get_input_embeddings().weight.mul_(0.3)
    model.save_pretrained(folder)
    return AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()


def ask(url, path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=600))


def start(command, url):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            urllib.request.urlopen(url + "/health", timeout=2)
            return process
        except OSError:
            time.sleep(0.2)
    raise SystemExit("llama.cpp did not load it: " + shlex.join(command))


@torch.no_grad()
def logits(model, ids):
    return model(torch.tensor([ids])).logits[0, -1].double()


def compare(model, tokenizer, url, prompts):
    difference, greedy, other = 0.0, [], []
    size = model.config.vocab_size
    for prompt in prompts:
        ids = tokenizer(prompt)["input_ids"]
        if ask(url, "/tokenize", dict(content=prompt, add_special=True))["tokens"] != ids:
            other.append(prompt[:20])
        asked = dict(prompt=ids, temperature=0, cache_prompt=False, return_tokens=True, ignore_eos=True)
        answer = ask(url, "/completion", asked | dict(n_predict=3, n_probs=size))
        so_far, made = list(ids), list(answer["tokens"])
        for entry in answer["completion_probabilities"]:
            while made[0] != entry["id"]:  # the server keeps back what is no whole character
                so_far.append(made.pop(0))
            made.pop(0)
            theirs = torch.full((size,), math.inf, dtype=torch.float64)
            for token in entry["top_logprobs"]:
                theirs[token["id"]] = token["logprob"]
            difference = max(difference, float((torch.log_softmax(logits(model, so_far), -1) - theirs).abs().max()))
            so_far.append(entry["id"])
        theirs, ours = ask(url, "/completion", asked | dict(n_predict=24))["tokens"], []
        for _ in theirs:
            ours.append(int(logits(model, ids + ours).argmax()))
        greedy.append(next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), len(theirs)))
    return dict(difference=float(f"{difference:.1e}"), greedy=greedy, other_ids=other)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("cases", nargs="*")
    ap.add_argument("--tokenizers", required=True)
    ap.add_argument("--finetune", default="./finetune")
    ap.add_argument("--llama", default="llama-server")
    ap.add_argument("--share", help="HERE:THERE")
    ap.add_argument("--type", default="f32")
    ap.add_argument("--port", type=int, default=8178)
    a = ap.parse_args()
    here, there = a.share.split(":") if a.share else (tempfile.mkdtemp(),) * 2
    url = f"http://127.0.0.1:{a.port}"
    for architecture, (kind, settings) in CASES.items():
        for number, (tokenizer, more) in enumerate(settings, 1):
            name = f"{architecture}-{number}"
            if a.cases and not any(name.startswith(case) for case in a.cases):
                continue
            with tempfile.TemporaryDirectory() as folder:
                model = make(kind, number, write_tokenizer(a.tokenizers, tokenizer, folder), more, folder)
                file = f"{name}.gguf"
                subprocess.run(shlex.split(a.finetune) + ["export", "--model", folder, "--type", a.type, "--output", f"{here}/{file}"],
                               check=True, stdout=subprocess.DEVNULL)
                runs = [(256, PROMPTS)]
                if more.get("max_position_embeddings", 256) > 256:  # longer than what was trained first: other divisors on both sides
                    runs.append((1024, [PROMPTS[2] * 5]))
                for context, prompts in runs:
                    process = start(shlex.split(a.llama) + shlex.split(
                        f"-m {there}/{file} -c {context} -fa off -ctk f32 -ctv f32 -np 1 -t 1 --no-warmup --host 127.0.0.1 --port {a.port}"), url)
                    try:
                        result = compare(model, AutoTokenizer.from_pretrained(folder), url, prompts)
                    finally:
                        process.terminate()
                        process.wait()
                    print(json.dumps(dict(case=name, context=context) | result), flush=True)
                os.remove(f"{here}/{file}")


if __name__ == "__main__":
    sys.exit(main())
