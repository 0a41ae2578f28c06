#!/bin/sh
# Fine-tunes the small model of the quick start several times with other seeds, orders and learning rates, and compares the
# soups of the results with the best single one. Usage: examples/soups/run.sh [OUTPUT_DIRECTORY]
# One half of the held-out questions chooses what goes into a greedy soup, the other half measures.
set -eu

home=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-soups-out}
epochs=${EPOCHS:-3}
template='### Instruction:
{instruction}

### Response:
'
finetune() { "${FINETUNE:-$home/finetune}" "$@"; }

finetune quickstart --only-files --out "$out" >/dev/null
head -n 60 "$out/held-out.jsonl" >"$out/choose.jsonl"
tail -n +61 "$out/held-out.jsonl" >"$out/measure.jsonl"
cat >"$out/train.yaml" <<CONFIG
model_name_or_path: $out/base
train_file: $out/train.jsonl
output_dir: $out/unused
prompt_template: "### Instruction:\n{instruction}\n\n### Response:\n"
max_length: 128
per_device_train_batch_size: 32
num_train_epochs: $epochs
lr_scheduler_type: cosine
warmup_steps: 10
report_to: none
num_preview_samples: 0
CONFIG

# The score of a model on the measuring half: loss and exact answers.
score() {
    finetune eval --data "$out/measure.jsonl" --prompt-template "$template" --max-new-tokens 14 --batch-size 40 \
        --metrics loss,exact_match --json "$@" |
        sed 's/.*"loss":\([0-9.]*\).*"exact_match":\([0-9.]*\).*/\1 \2/'
}

# row NAME LOSS EXACT
row() { printf '| %s | %.3f | %.0f %% |\n' "$1" "$2" "$(awk "BEGIN { print 100 * $3 }")"; }

# experiment NAME RATES KEY=VALUE...: trainings with seeds 1, 2, ..., one for each learning rate
experiment() {
    name=$1
    rates=$2
    shift 2
    candidates=
    echo
    echo "| $name | held-out loss | exact answers |"
    echo "|---|--:|--:|"
    seed=0
    for rate in $rates; do
        seed=$((seed + 1))
        run="$out/$name-$seed"
        finetune train "$out/train.yaml" "output_dir=$run" "seed=$seed" "learning_rate=$rate" "$@" >/dev/null 2>&1
        rm -rf "$run"/checkpoint-* "$run/best"
        candidates="$candidates $run"
        # shellcheck disable=SC2046
        row "seed $seed, learning rate $rate" $(score $(use "$run"))
    done
    for recipe in uniform greedy; do
        soup="$out/$name-$recipe"
        # shellcheck disable=SC2046,SC2086
        finetune soup --recipe "$recipe" --data "$out/choose.jsonl" --prompt-template "$template" --max-new-tokens 14 \
            --batch-size 40 $(base) --output "$soup" --json --candidates $candidates >"$soup.json" 2>/dev/null
        ingredients=$(sed 's/.*"ingredients":\([0-9]*\).*/\1/' "$soup.json")
        # shellcheck disable=SC2046
        row "$recipe soup of $ingredients" $(score $(use "$soup"))
    done
}

# The options that name a result of the running experiment, and the base of its candidates.
use() { if [ -f "$1/adapter_config.json" ]; then echo "--model $out/base --adapter $1"; else echo "--model $1"; fi; }
base() { if [ "$name" = full ]; then :; else echo "--model $out/base"; fi; }

echo "| before | held-out loss | exact answers |"
echo "|---|--:|--:|"
# shellcheck disable=SC2046
row "the base" $(score --model "$out/base")
experiment full "${FULL_RATES:-1e-3 1e-3 1e-3 2e-3 5e-4}" method=full
experiment lora "${LORA_RATES:-3e-3 3e-3 3e-3 5e-3 2e-3}" method=lora r=8 lora_alpha=16 \
    "target_modules=[q_proj, k_proj, v_proj, o_proj]" lora_dropout=0.1
