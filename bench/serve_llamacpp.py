#!/usr/bin/env python3
"""Our server beside llama.cpp's, the same weights in float32, A B A B: tokens a second with one client and with several. While one server is asked, the other
is stopped (SIGSTOP): nobody else computes. After every change some seconds pass: ours looks twice a second whether others use its processors, lets waiting threads
sleep while they do and for two seconds more, and has seen the other one's round.

  python3 bench/serve_llamacpp.py --model models/stories15M-hf --llama "chroot /tmp/llamacpp llama-server" --share /tmp/llamacpp/x:/x

--llama is the command that starts llama.cpp's server; where it runs in another root, --share HERE:THERE names a directory that both see.
Printed are JSON lines: every round, then the medians and the ratios, ours by llama.cpp's. The model is exported as GGUF first.
"""
import argparse, json, os, shlex, signal, statistics, subprocess, sys, tempfile, time
from serve_client import await_health, start_ours, tokens_per_second


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--model", required=True)
    ap.add_argument("--finetune", default="./finetune")
    ap.add_argument("--llama", default="llama-server")
    ap.add_argument("--share", help="HERE:THERE")
    ap.add_argument("--settle", type=float, default=4, help="seconds between a change of servers and the first request")
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--port", type=int, default=8177)
    ap.add_argument("--clients", type=int, default=8)
    ap.add_argument("--requests", type=int, default=32)
    ap.add_argument("--new-tokens", type=int, default=64)
    ap.add_argument("--rounds", type=int, default=3)
    a = ap.parse_args()
    here, there = a.share.split(":") if a.share else (tempfile.mkdtemp(),) * 2
    subprocess.run(shlex.split(a.finetune) + ["export", "--model", a.model, "--type", "f32", "--output", f"{here}/model.gguf"],
                   check=True, stdout=sys.stderr)
    log = os.path.join(tempfile.gettempdir(), "serve_llamacpp.log")
    open(log, "w").close()
    servers, processes = {}, {}
    try:
        processes["finetune4j"], servers["finetune4j"], _ = start_ours(
            shlex.split(a.finetune) + ["serve", "--model", a.model, "--port", "0"], log)
        processes["llama.cpp"] = subprocess.Popen(
            shlex.split(a.llama) + ["-m", f"{there}/model.gguf", "--host", "127.0.0.1", "--port", str(a.port), "-t", str(a.threads),
                                    "-np", str(a.clients), "-c", str(256 * a.clients)],
            stdout=open(log, "a"), stderr=subprocess.STDOUT)
        servers["llama.cpp"] = f"http://127.0.0.1:{a.port}"
        await_health(servers["llama.cpp"])
        for process in processes.values():
            process.send_signal(signal.SIGSTOP)
        speeds = {(name, clients): [] for name in servers for clients in (1, a.clients)}
        for number in range(a.rounds + 1):  # the first warms up
            for clients in (1, a.clients):
                requests = max(2, a.requests * clients // a.clients)
                for name, url in servers.items():
                    processes[name].send_signal(signal.SIGCONT)
                    time.sleep(a.settle)
                    speed = tokens_per_second(url, clients, requests, a.new_tokens)
                    processes[name].send_signal(signal.SIGSTOP)
                    if number:
                        speeds[name, clients].append(speed)
                        print(json.dumps({"round": number, "server": name, "clients": clients, "tokens_per_s": round(speed, 1)}), flush=True)
        for clients in (1, a.clients):
            ratios = sorted(x / y for x, y in zip(speeds["finetune4j", clients], speeds["llama.cpp", clients]))
            print(json.dumps({"clients": clients} | {name: round(statistics.median(speeds[name, clients]), 1) for name in servers} |
                             {"ratio_min": round(ratios[0], 3), "ratio_median": round(statistics.median(ratios), 3),
                              "ratio_max": round(ratios[-1], 3)}), flush=True)
    finally:
        for process in processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(60)


if __name__ == "__main__":
    main()
