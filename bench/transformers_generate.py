"""Generation by Hugging Face transformers on the CPU, timed: what `./finetune bench generate --rows` is compared with.

  python bench/transformers_generate.py --shape smol135 --rows 16 --new-tokens 128
  python bench/transformers_generate.py --model DIRECTORY --batch 1 --new-tokens 64

Random weights, or those of --model in float32, random prompts of half to one and a half times --prompt-tokens, padded on the left in one batch; no token
ends an answer. Prints one JSON line with the keys of `bench generate --json`.
"""
import argparse
import json
import resource
import time

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

SHAPES = {  # vocabulary, hidden, intermediate, layers, heads, key and value heads
    "tiny15": (32000, 288, 768, 6, 6, 6),
    "smol135": (49152, 576, 1536, 30, 9, 3),
}


def model_of(shape):
    vocabulary, hidden, intermediate, layers, heads, kv_heads = SHAPES[shape]
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=kv_heads, max_position_embeddings=2048, tie_word_embeddings=True)
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()


def padded(lengths, vocabulary):
    longest = max(lengths)
    ids = torch.zeros(len(lengths), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, longest - length:] = torch.randint(0, vocabulary, (length,))
        mask[row, longest - length:] = 1
    return ids, mask


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", choices=SHAPES, default="smol135")
    parser.add_argument("--model", help="a directory, in place of a shape")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--batch", type=int, default=0, help="sequences of one length, in place of --rows")
    parser.add_argument("--prompt-tokens", type=int, default=16)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--temperature", type=float, default=0)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    model = (AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval() if args.model
             else model_of(args.shape))
    rows = args.batch or args.rows
    spread = max(1, rows - 1)
    lengths = [args.prompt_tokens] * rows if args.batch else [
        max(1, args.prompt_tokens // 2 + args.prompt_tokens * row // spread) for row in range(rows)]
    ids, mask = padded(lengths, model.config.vocab_size)
    sampling = dict(do_sample=True, temperature=args.temperature, top_k=0) if args.temperature else dict(do_sample=False)
    seconds = []
    for _ in range(args.runs + 1):
        start = time.perf_counter()
        with torch.no_grad():
            found = model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=args.new_tokens, eos_token_id=None, pad_token_id=0,
                **sampling)
        seconds.append(time.perf_counter() - start)
        assert found.shape[1] == ids.shape[1] + args.new_tokens
    counted = sorted(seconds[1:])
    median = counted[len(counted) // 2]
    print(json.dumps({
        "engine": "transformers", "shape": args.model or args.shape, "dtype": "float32", "temperature": args.temperature,
        "rows": rows, "prompt_tokens": args.prompt_tokens, "new_tokens": args.new_tokens,
        "median_s": round(median, 3), "min_s": round(counted[0], 3),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "tokens_per_s": round(rows * args.new_tokens / median, 1)}))


if __name__ == "__main__":
    main()
