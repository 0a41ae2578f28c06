#!/usr/bin/env python3
"""A server under load for a while: its memory at the start, in the middle and at the end; then what signals do to it.

  python3 bench/serve_load.py --model models/stories15M-hf --minutes 30 [--adapters FOLDER]

Clients ask for whole answers with adapters in turn, leave streams half-way, and send what is no request. Then an answer runs while SIGTERM
comes, and must arrive whole; and a server is killed (SIGKILL) and started again: the seconds until it answers. Printed are JSON lines.
"""
import argparse, http.client, json, os, random, shlex, signal, tempfile, threading, time, urllib.parse
from serve_client import complete, request, start_ours


def resident_mb(pid):
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmRSS"))


def leave_half_way(url, model):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    body = {"prompt": "Once", "model": model, "stream": True, "max_tokens": 200, "ignore_eos": True}
    connection.request("POST", "/v1/completions", json.dumps(body))
    connection.getresponse().read(300)
    connection.close()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--model", required=True)
    ap.add_argument("--adapters", help="folder of adapters, all of which are offered")
    ap.add_argument("--finetune", default="./finetune")
    ap.add_argument("--minutes", type=float, default=30)
    ap.add_argument("--clients", type=int, default=8)
    ap.add_argument("--pause", type=float, default=0, help="seconds that a client waits after each request")
    ap.add_argument("--options", default="", help="more options of the server, such as '--prefix-mib 64'")
    a = ap.parse_args()
    command = shlex.split(a.finetune) + ["serve", "--model", a.model, "--port", "0"] + shlex.split(a.options)
    command += ["--adapters", a.adapters, "--offer-all"] if a.adapters else []
    log = os.path.join(tempfile.gettempdir(), "serve_load.log")
    server, url, seconds = start_ours(command, log)
    print(json.dumps({"ready_after_s": round(seconds, 2)}), flush=True)
    models = [model["id"] for model in json.loads(request(url, "GET", "/v1/models")[1])["data"]]
    end, counts, wrong, lock = time.time() + 60 * a.minutes, {"answers": 0, "left": 0, "refused": 0}, [], threading.Lock()

    def client(number):
        draw = random.Random(number)
        while time.time() < end and not wrong:
            try:
                kind = draw.random()
                if kind < 0.8:
                    complete(url, f"In year {draw.randrange(3000)} there was a", draw.randrange(1, 100), model=draw.choice(models))
                    what = "answers"
                elif kind < 0.9:
                    leave_half_way(url, draw.choice(models))
                    what = "left"
                else:
                    body = {"prompt": draw.choice([5, {}, [], "x" * 99999]), "n": draw.choice([0, -1, "a"])}
                    status, text = request(url, "POST", "/v1/completions", body)
                    if not 400 <= status < 500 or "error" not in json.loads(text):
                        wrong.append(f"status {status}: {text[:200]}")
                    what = "refused"
                with lock:
                    counts[what] += 1
                time.sleep(a.pause)
            except Exception as e:
                wrong.append(repr(e))

    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(a.clients)]
    [thread.start() for thread in threads]
    for when, share in (("start", 0.1), ("middle", 0.5), ("end", 1)):  # the start when everything was used once
        time.sleep(max(0, end - 60 * a.minutes * (1 - share) - time.time()))
        print(json.dumps({"when": when, "resident_mb": resident_mb(server.pid), **counts}), flush=True)
    [thread.join() for thread in threads]
    print(json.dumps({"wrong": wrong}), flush=True)

    answers = []
    running = threading.Thread(target=lambda: answers.append(complete(url, "Once upon a time", 200)))
    running.start()
    while "finetune_rows_running 1" not in request(url, "GET", "/metrics")[1] and running.is_alive():
        time.sleep(0.01)
    server.send_signal(signal.SIGTERM)
    running.join()
    print(json.dumps({"answers_lost_by_sigterm": 1 - len(answers), "exit_code": server.wait(60)}), flush=True)

    server, url, _ = start_ours(command, log)
    threading.Thread(target=lambda: leave_half_way(url, models[0]), daemon=True).start()
    time.sleep(1)
    server.kill()
    server.wait()
    begin = time.time()
    server, url, _ = start_ours(command, log)
    complete(url, "Once", 4)
    print(json.dumps({"answers_after_sigkill_s": round(time.time() - begin, 2)}), flush=True)
    server.terminate()
    server.wait(60)


if __name__ == "__main__":
    main()
