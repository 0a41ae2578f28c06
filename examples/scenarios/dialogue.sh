#!/bin/sh
# A dialogue system from the base to the service: supervised fine-tuning, preferences, serving.
# Usage: examples/scenarios/dialogue.sh [KEY=VALUE...]
. "$(dirname "$0")/common.sh"

finetune quickstart --only-files --stage dpo --out scenario/task >/dev/null
finetune train "$here/dialogue.yaml" report_to=none num_preview_samples=0 "$@" >/dev/null

# pairs NAME MODEL_OPTIONS...: how often the preferred answer gains more likelihood than the other one
echo "| model | preferred answers rewarded more | margin |"
echo "|---|--:|--:|"
result=$(finetune eval --model scenario/dialogue/sft/merged --adapter scenario/dialogue/dpo --data scenario/task/pairs.jsonl --json -- stage=dpo)
printf '| after DPO, against after SFT | %.0f %% | %.2f |\n\n' \
    "$(awk "BEGIN { print 100 * $(value rewards/accuracies "$result") }")" "$(value rewards/margins "$result")"

serve --model scenario/dialogue/sft/merged --adapters scenario/dialogue --offer-all
ask merged "What is the pet of Odette?"
ask dpo "What is the pet of Odette?"
