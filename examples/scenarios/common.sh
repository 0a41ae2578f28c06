# What the scenarios share. They write into ./scenario; FINETUNE names another launcher than the project's own.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
home=$(cd "$here/../.." && pwd)
template='### Instruction:
{instruction}

### Response:
'

finetune() { "${FINETUNE:-$home/finetune}" "$@"; }

# value KEY JSON: a number of a line of JSON
value() { printf '%s\n' "$2" | sed -n "s|.*\"$1\":\([-0-9.eE]*\).*|\1|p"; }

# exact RECORDS MODEL_OPTIONS...: loss and exact answers on records of the task, as two cells of a table
exact() {
    records=$1
    shift
    result=$(finetune eval --data "scenario/task/$records.jsonl" --prompt-template "$template" --max-new-tokens 14 --batch-size 40 \
        --metrics loss,exact_match --json "$@" 2>/dev/null)
    printf '%.3f | %.0f %%' "$(value loss "$result")" "$(awk "BEGIN { print 100 * $(value exact_match "$result") }")"
}

# serve OPTIONS...: starts the service, which ends with this script; $server is its address
serve() {
    : >scenario/server.log
    # exec: the process that is ended is the service, not a shell around it
    (FINETUNE_JAVA_OPTS=-Xmx512m exec "${FINETUNE:-$home/finetune}" serve --port 0 "$@") >scenario/server.log 2>&1 &
    process=$!
    trap 'kill $process 2>/dev/null; wait $process 2>/dev/null || true' EXIT
    while ! grep -q '^ready: ' scenario/server.log; do
        kill -0 $process 2>/dev/null || { cat scenario/server.log >&2; exit 1; }
        sleep 0.2
    done
    server=$(sed -n 's/^ready: //p' scenario/server.log)
}

# ask MODEL QUESTION: what the service answers, greedily
ask() {
    answer=$(curl -s "$server/v1/completions" -H 'Content-Type: application/json' -d "{\"model\": \"$1\", \"temperature\": 0,
        \"max_tokens\": 16, \"prompt\": \"### Instruction:\\n$2\\n\\n### Response:\\n\"}")
    echo "$1: $2 $(printf '%s' "$answer" | sed 's/.*"text": *"\([^"]*\)".*/\1/')"
}
