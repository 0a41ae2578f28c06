#!/usr/bin/env python3
"""Trains one shape on two ranks of one thread each: ours by mpirun, PyTorch's DDP and FSDP over gloo, in turn, on this machine.

    python bench/dist_against_torch.py --json dist.json [--shape smol135] [--rounds 2] [--finetune ./finetune]

Needs torch and transformers, and mpirun for ours. Weights are random and the same, in float32 with AdamW; every rank has --batch rows of
--seq tokens a step. Pairs: zero_stage 0 beside DDP, zero_stage 3 beside FSDP (full sharding, a layer at a time); --stages adds others, which
stand beside DDP. The step's time is the median after the first --skip steps; memory is the larger of the ranks' peaks (VmHWM), with
everything that the processes hold. Rounds are run alternately (A, B, A, B), and the best median of each is compared.
"""

import argparse
import json
import os
import pathlib
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SHAPES = {  # vocabulary, hidden, intermediate, layers, heads, key heads
    "smol135": (49152, 576, 1536, 30, 9, 3),
    "tiny": (512, 64, 128, 4, 4, 2),
}
RANKS = 2


def llama(shape, options):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    vocabulary, hidden, intermediate, layers, heads, key_heads = SHAPES[shape]
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=key_heads, tie_word_embeddings=True,
        max_position_embeddings=max(2048, options.seq), bos_token_id=1, eos_token_id=2, attn_implementation="sdpa"))


def peak(pid="self"):
    """Bytes that a process had at most."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"process {pid} is about to end")


def worker(options):
    """One rank of PyTorch's."""
    import torch
    import torch.distributed as dist
    from transformers import LlamaForCausalLM

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    model = LlamaForCausalLM.from_pretrained(options.model, torch_dtype=torch.float32)
    model.train()
    if options.worker == "ddp":
        trained = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
    else:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard
        mesh = init_device_mesh("cpu", (RANKS,))
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh)
        trained = fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-4, weight_decay=0.0)
    generator = torch.Generator().manual_seed(rank)
    times = []
    for _ in range(options.steps):
        ids = torch.randint(3, model.config.vocab_size, (options.batch, options.seq), generator=generator)
        dist.barrier()
        begin = time.perf_counter()
        loss = trained(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        dist.barrier()
        times.append(time.perf_counter() - begin)
    pathlib.Path(options.out, f"rank{rank}.json").write_text(json.dumps({"times": times, "peak": peak()}))
    dist.destroy_process_group()


def environment():
    one = dict(os.environ)
    one.update({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
                "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"})
    return one


def torch_run(kind, options, directory):
    out = pathlib.Path(tempfile.mkdtemp(prefix=kind, dir=directory))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ranks = []
    for rank in range(RANKS):
        env = environment()
        env.update({"RANK": str(rank), "WORLD_SIZE": str(RANKS), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)})
        ranks.append(subprocess.Popen(
            [sys.executable, __file__, "--worker", kind, "--model", str(directory / "model"), "--out", str(out),
             "--batch", str(options.batch), "--seq", str(options.seq), "--steps", str(options.steps), "--shape", options.shape],
            env=env))
    if any(rank.wait() for rank in ranks):
        sys.exit(f"{kind}: a rank failed")
    found = [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(RANKS)]
    return {"step_s": statistics.median(found[0]["times"][options.skip:]), "peak_bytes": max(each["peak"] for each in found)}


def our_run(stage, options, directory):
    out = pathlib.Path(tempfile.mkdtemp(prefix=f"zero{stage}-", dir=directory))
    config = out / "config.yaml"
    config.write_text(f"""model_name_or_path: {directory}/model
train_file: {directory}/text.txt
output_dir: {out}/run
method: full
dtype: float32
optim: adamw
learning_rate: 1e-4
lr_scheduler_type: constant
per_device_train_batch_size: {options.batch}
gradient_accumulation_steps: {RANKS}
max_steps: {options.steps}
max_length: {options.seq}
zero_stage: {stage}
threads: 1
num_preview_samples: 0
report_to: html
""")
    command = [*options.finetune, "launch", "--nproc", str(RANKS), "train", str(config)]
    with (out / "said.txt").open("wb") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env=environment())
        peaks = {}
        while process.poll() is None:
            watch(process.pid, peaks)
            time.sleep(0.2)
    if process.returncode:
        sys.exit((out / "said.txt").read_text()[-3000:])
    steps = [event for event in map(json.loads, (out / "run" / "metrics.jsonl").read_text().splitlines())
             if event["event"] == "step"]
    ends = [event["elapsed_seconds"] for event in steps]
    times = [later - earlier for earlier, later in zip(ends, ends[1:])]
    measured = [event["metrics"] for event in steps[options.skip:]]
    waited = [each["communication/seconds_waited"] / each["communication/step_seconds"] for each in measured]
    last = measured[-1]
    tokens = {event["tokens"] for event in steps}
    if tokens != {RANKS * options.batch * options.seq}:
        sys.exit(f"steps have {tokens} tokens, expected {RANKS * options.batch * options.seq} in each")
    return {
        "step_s": statistics.median(times[options.skip - 1:]),
        "peak_bytes": max(peaks.values()),
        "waited_share": statistics.median(waited),
        "bytes_sent": last["communication/bytes_sent"],
        "bytes_formula": last["communication/bytes_formula"],
    }


def watch(launcher, peaks):
    """Notes the peaks of the ranks below a launcher so far."""
    children = {}
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
            children.setdefault(int(fields[1]), []).append(int(status.parent.name))
        except OSError:
            pass
    below = [launcher]
    for pid in below:
        below.extend(children.get(pid, []))
    for pid in below[1:]:
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"java") and b"rank" in words:
                peaks[pid] = max(peaks.get(pid, 0), peak(pid))
        except OSError:
            pass


def write_inputs(options, directory):
    """The model with a tokenizer of one token a word, and a text of as many words as all steps read."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    model = llama(options.shape, options)
    model.save_pretrained(directory / "model")
    words = {word: number for number, word in enumerate(["<unk>", "<s>", "</s>"])}
    for number in range(3, SHAPES[options.shape][0]):
        words[f"w{number}"] = number
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>").save_pretrained(directory / "model")
    count = len(words)
    total = (options.steps + 1) * RANKS * options.batch * options.seq
    with (directory / "text.txt").open("w") as text:
        for begin in range(0, total, 64):
            text.write(" ".join(f"w{3 + (number * 7919) % (count - 3)}" for number in range(begin, begin + 64)) + "\n")


def table(result):
    lines = ["| ours | beside | step | | peak a rank | | waited for others | sent, formula |", "|---|---|---|---|---|---|---|---|"]
    for pair in result["pairs"]:
        ours, theirs = pair["ours"], pair["theirs"]
        lines.append(
            f"| zero_stage {pair['zero_stage']} | {pair['torch'].upper()} | {ours['step_s']:.3f} s, {theirs['step_s']:.3f} s"
            f" | {theirs['step_s'] / ours['step_s']:.2f} times as fast | {ours['peak_bytes'] / 1e6:,.0f} MB, {theirs['peak_bytes'] / 1e6:,.0f} MB"
            f" | {ours['peak_bytes'] / theirs['peak_bytes']:.2f} of it | {100 * ours['waited_share']:.1f} % of a step"
            f" | {ours['bytes_sent'] / 1e6:,.1f} MB, {ours['bytes_formula'] / 1e6:,.1f} MB |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="smol135")
    parser.add_argument("--batch", type=int, default=2, help="rows of a rank")
    parser.add_argument("--seq", type=int, default=256)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--skip", type=int, default=3, help="steps at the beginning that are not counted")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--stages", default="0,2,3", help="of ZeRO, ours")
    parser.add_argument("--finetune", type=shlex.split, default=["./finetune"])
    parser.add_argument("--json", type=pathlib.Path, help="where the result goes")
    parser.add_argument("--worker", choices=["ddp", "fsdp"], help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options)
        return
    if not 0 < options.skip < options.steps - 1:
        parser.error("--skip leaves no step to measure")
    with tempfile.TemporaryDirectory(prefix="dist-against-torch-") as name:
        directory = pathlib.Path(name)
        write_inputs(options, directory)
        pairs = []
        for stage in map(int, options.stages.split(",")):
            kind = "fsdp" if stage == 3 else "ddp"
            rounds = []
            for _ in range(options.rounds):
                rounds.append({"ours": our_run(stage, options, directory), "theirs": torch_run(kind, options, directory)})
                print(json.dumps({"zero_stage": stage, "torch": kind, **rounds[-1]}), file=sys.stderr, flush=True)
            best = {side: min((each[side] for each in rounds), key=lambda run: run["step_s"]) for side in ("ours", "theirs")}
            pairs.append({"zero_stage": stage, "torch": kind, **best, "rounds": rounds})
        result = {"shape": options.shape, "batch": options.batch, "seq": options.seq, "ranks": RANKS, "pairs": pairs}
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(table(result))


if __name__ == "__main__":
    main()
