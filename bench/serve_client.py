"""Asks servers that have OpenAI's interface, for serve_llamacpp.py and serve_load.py."""
import http.client, json, subprocess, threading, time, urllib.parse


def request(url, method, path, body=None, timeout=600):
    """(status, text of the answer)"""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def complete(url, prompt, tokens, **more):
    """The answer, of exactly so many tokens."""
    body = dict(prompt=prompt, max_tokens=tokens, temperature=0, ignore_eos=True, **more)
    status, text = request(url, "POST", "/v1/completions", body)
    if status != 200:
        raise RuntimeError(f"{url}: status {status}: {text[:500]}")
    answer = json.loads(text)
    got = answer["usage"]["completion_tokens"]
    if got != tokens:
        raise RuntimeError(f"{url}: {got} tokens, asked for {tokens}: the answers cannot be compared")
    return answer


def in_parallel(clients, requests, ask):
    """Calls ask(number) for every request from so many threads."""
    numbers, lock, failures = iter(range(requests)), threading.Lock(), []

    def work():
        while not failures:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                ask(number)
            except Exception as e:  # said by the caller's thread
                failures.append(e)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if failures:
        raise failures[0]


def tokens_per_second(url, clients, requests, tokens):
    start = time.time()
    in_parallel(clients, requests, lambda number: complete(url, f"Once upon a time, in year {number}, there was a", tokens))
    return requests * tokens / (time.time() - start)


def start_ours(command, log):
    """Starts a server and gives it with its address and the seconds it took to be ready."""
    begin = time.time()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=open(log, "a"), text=True)
    line = process.stdout.readline()
    if not line.startswith("ready: "):
        process.kill()
        raise RuntimeError(f"{' '.join(command)}: {line!r}, see {log}")
    return process, line[len("ready: "):].strip(), time.time() - begin


def await_health(url, seconds=120):
    end = time.time() + seconds
    while time.time() < end:
        try:
            if request(url, "GET", "/health", timeout=2)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer")
