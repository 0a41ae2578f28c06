#!/bin/sh
# A small company's path: advice for its machine, QLoRA, a score, one model to give away. Usage: examples/scenarios/qlora.sh [KEY=VALUE...]
. "$(dirname "$0")/common.sh"

finetune quickstart --only-files --out scenario/task >/dev/null
finetune advise --model scenario/task/base --records 1488 --devices 1 --memory 8G

echo "| model | held-out loss | exact answers |"
echo "|---|--:|--:|"
echo "| base | $(exact held-out --model scenario/task/base) |"
finetune train "$here/qlora.yaml" report_to=none num_preview_samples=0 "$@" >/dev/null 2>&1
finetune quantize --model scenario/task/base --type nf4 --double-quant --output scenario/base-4bit >/dev/null 2>&1
echo "| QLoRA, on the base in 4 bits | $(exact held-out --model scenario/base-4bit --adapter scenario/qlora) |"
finetune merge --model scenario/task/base --adapter scenario/qlora --output scenario/qlora-merged >/dev/null
echo "| merged into the plain base | $(exact held-out --model scenario/qlora-merged) |"
finetune export --model scenario/qlora-merged --output scenario/qlora.gguf >/dev/null 2>&1 && ls -l scenario/qlora.gguf
