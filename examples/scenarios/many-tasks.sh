#!/bin/sh
# One base and an adapter for each task, loaded into a service while it answers. Usage: examples/scenarios/many-tasks.sh [KEY=VALUE...]
. "$(dirname "$0")/common.sh"

finetune quickstart --only-files --out scenario/task >/dev/null
echo "| adapter | questions that it was taught | loss on its own, held out | exact answers |"
echo "|---|--:|--:|--:|"
for task in "animals:pet of|animal" "towns:live\?|town" "foods:food of|to eat"; do
    name=${task%%:*}
    words=${task#*:}
    for file in train held-out; do
        grep -E "$words" "scenario/task/$file.jsonl" >"scenario/task/$name-$file.jsonl"
    done
    finetune train "$here/many-tasks.yaml" "train_file=scenario/task/$name-train.jsonl" "output_dir=scenario/tasks/$name" \
        report_to=none num_preview_samples=0 "$@" >/dev/null 2>&1
    echo "| $name | $(wc -l <"scenario/task/$name-train.jsonl") | $(exact "$name-held-out" --model scenario/task/base --adapter "scenario/tasks/$name") |"
done

serve --model scenario/task/base --adapters scenario/tasks
for name in animals towns foods; do
    seconds=$(curl -s -o /dev/null -w '%{time_total}' "$server/v1/adapters" -H 'Content-Type: application/json' \
        -d "{\"name\": \"$name\", \"path\": \"$name\"}")
    echo "$name loaded in $seconds s"
done
ask animals "What is the pet of Odette?"
ask towns "Where does Odette live?"
ask foods "What does Odette like to eat?"
