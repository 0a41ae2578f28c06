#!/bin/sh
# 64 records, and a base that must stay as it is: a prompt is learned from the records alone, and from a teacher that answers them.
# Usage: examples/scenarios/few-records.sh [KEY=VALUE...]
. "$(dirname "$0")/common.sh"

finetune quickstart --only-files --out scenario/task >/dev/null
# The teacher, somebody else's model that knows the task: here the base after training on all records.
finetune train "$here/many-tasks.yaml" output_dir=scenario/teacher report_to=none num_preview_samples=0 "$@" >/dev/null 2>&1
finetune merge --model scenario/task/base --adapter scenario/teacher --output scenario/teacher-merged >/dev/null
awk 'NR % 23 == 0' scenario/task/train.jsonl >scenario/task/few.jsonl

echo "| model, $(wc -l <scenario/task/few.jsonl) records | seed | held-out loss | exact answers |"
echo "|---|--:|--:|--:|"
echo "| base | | $(exact held-out --model scenario/task/base) |"
echo "| teacher | | $(exact held-out --model scenario/teacher-merged) |"
for seed in 1 2 3; do
    for way in labels teacher; do
        extra=
        [ $way = labels ] || extra="stage=distill teacher_model_name_or_path=scenario/teacher-merged lmbda=0"
        # shellcheck disable=SC2086
        finetune train "$here/few-records.yaml" "output_dir=scenario/few/$way-$seed" "seed=$seed" $extra \
            report_to=none num_preview_samples=0 "$@" >/dev/null 2>&1
        echo "| prompt tuning, $way | $seed | $(exact held-out --model scenario/task/base --adapter "scenario/few/$way-$seed") |"
    done
done
