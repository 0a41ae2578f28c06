#!/bin/sh
# Runs the notebooks in a Jupyter kernel and stores what their cells show. Needs jupyter-nbconvert (Debian's package of that name).
# Usage: examples/notebooks/execute.sh [--check] [NOTEBOOK...]     --check: runs them in few steps and changes no file
set -eu

here=$(cd "$(dirname "$0")" && pwd)
home=$(cd "$here/../.." && pwd)
kernel=io.github.padreati:rapaio-jupyter-kernel:3.0.1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

steps=
if [ "${1:-}" = --check ]; then
    steps=-Dfinetune4j.notebook.steps=2
    shift
fi
[ $# -gt 0 ] || set -- "$here"/*.ipynb

command -v jupyter-nbconvert >/dev/null || { echo "error: no jupyter-nbconvert: apt-get install jupyter-nbconvert" >&2; exit 1; }
"$home/finetune" --version >/dev/null # builds what is not built
(cd "$work" && mvn -q dependency:copy "-Dartifact=$kernel" "-DoutputDirectory=$work")

# The kernel has the project's class path, so that the line with the dependency, which is for JJava and IJava, is not needed.
mkdir -p "$work/kernels/java"
class_path="$(echo "$work"/rapaio-jupyter-kernel-*.jar):$home/finetune-cli/target/finetune-cli.jar:$(cat "$home/finetune-cli/target/classpath.txt")"
cat >"$work/kernels/java/kernel.json" <<KERNEL
{"argv": ["java", "-XX:+UseSerialGC", "-Dfinetune4j.notebook.files=$work/files", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    $( [ -n "$steps" ] && printf '"%s", ' "$steps" )"-cp", "$class_path", "org.rapaio.jupyter.kernel.MainApp", "{connection_file}"],
 "display_name": "Java", "language": "java"}
KERNEL

for notebook in "$@"; do
    echo "$notebook"
    rm -rf "$work/files"
    # The kernel sometimes loses its first message on a busy machine and then never answers.
    tries=0
    until JUPYTER_PATH=$work jupyter-nbconvert --log-level WARN --to notebook --execute --output-dir "$work" --output executed \
        --ExecutePreprocessor.timeout=1800 "$notebook" 2>"$work/log"; do
        tries=$((tries + 1))
        if [ $tries = 5 ] || ! grep -q "Kernel didn't respond" "$work/log"; then
            cat "$work/log" >&2
            exit 1
        fi
    done
    # The dependency's cell fails in this kernel as it may; its output is nobody's.
    /usr/bin/python3 - "$work/executed.ipynb" "$work" <<'PYTHON'
import sys, nbformat
file, work = sys.argv[1:]
notebook = nbformat.read(file, 4)
for cell in notebook.cells:
    cell.metadata.pop("execution", None)
    if cell.cell_type == "code":
        if "raises-exception" in cell.metadata.get("tags", []):
            cell.outputs = []
        for output in cell.outputs:
            if "text" in output:
                output.text = output.text.replace(work + "/files", "notebook-out")
nbformat.write(notebook, file)
PYTHON
    [ -n "$steps" ] || cp "$work/executed.ipynb" "$notebook"
done
