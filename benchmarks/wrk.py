"""Load by wrk with one repeated request. The status of every response is checked, and that its body contains a word."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from itertools import count
from pathlib import Path

from benchmarks.rates import Run
from benchmarks.report import BenchmarkError
from benchmarks.serving import Server

CONNECTIONS = 8
INSTALL = "apt-get install wrk"
_NUMBERS = count()
# response() counts in the thread of wrk; done() runs in another Lua state and reads the counts of the threads
_LUA = """
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args) good, bad, first = 0, 0, "" end
wrk.method, wrk.body = METHOD, BODY
for name, value in pairs(HEADERS) do wrk.headers[name] = value end
if BODIES then
  local lines = io.lines(BODIES)
  function request() return wrk.format(nil, nil, nil, lines() or "no more lines") end
end
if PAUSE > 0 then
  function delay() return PAUSE end
end
function response(status, headers, body)
  if status == 200 and string.find(body, WORD, 1, true) then good = good + 1 else
    if bad == 0 then first = tostring(status) end
    bad = bad + 1
  end
end
function done(summary, latency, requests)
  local errors, good, bad, first = summary.errors, 0, 0, ""
  for _, thread in ipairs(threads) do
    good, bad = good + thread:get("good"), bad + thread:get("bad")
    if thread:get("first") ~= "" then first = thread:get("first") end
  end
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format('\\n{"good": %d, "bad": %d, "first": "%s", "broken": %d, "seconds": %f, '
    .. '"p99": %f}\\n', good, bad, first, broken, summary.duration / 1e6, latency:percentile(99) / 1e3))
end
"""


def require() -> None:
    """Installs wrk if it is missing and root runs the benchmarks. Raises BenchmarkError if it is not available."""
    if shutil.which("wrk"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing wrk: {INSTALL}", flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "wrk"]):
            subprocess.run(["apt-get", *arguments], check=False, stdout=subprocess.DEVNULL, env=environment)
    if not shutil.which("wrk"):
        raise BenchmarkError(f"wrk is not installed. To install it, run: sudo {INSTALL}")


class Load:
    """Repeats one request on some connections. A response is good if its status is 200 and its body contains `word`.

    If `bodies` is the path of a file, the body of each request is the next line of this file. `pause` is the number of
    milliseconds between a response and the next request of its connection.
    """

    def __init__(
        self,
        server: Server,
        path: str,
        word: str,
        headers: dict[str, str],
        body: str | None = None,
        bodies: Path | None = None,
        connections: int = CONNECTIONS,
        pause: int = 0,
    ) -> None:
        self._server, self._url, self._connections = server, server.origin + path, connections
        has_body = body is not None or bodies is not None
        self._script = server.folder / f"load-{next(_NUMBERS)}.lua"
        # an ASCII string in JSON is also a valid Lua string
        pairs = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())
        values = {
            "METHOD": json.dumps("POST" if has_body else "GET"),
            "BODIES": json.dumps(str(bodies)) if bodies else "nil",
            "BODY": json.dumps(body) if body else "nil",
            "HEADERS": f"{{{pairs}}}",
            "WORD": json.dumps(word),
            "PAUSE": str(pause),
        }
        script = _LUA
        for name, value in values.items():
            script = script.replace(name, value)
        self._script.write_text(script, "ascii")

    def run(self, seconds: float) -> Run:
        """Runs the load. Raises BenchmarkError if any response was not good.

        If there was no response, the latency is infinite.
        """
        command = ["wrk", "-t1", f"-c{self._connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        before = self._server.cpu_seconds()
        finished = subprocess.run(
            [*command, "-s", str(self._script), self._url], capture_output=True, text=True, timeout=seconds + 30
        )
        cpu = self._server.cpu_seconds() - before
        lines = [line for line in finished.stdout.splitlines() if line.startswith("{")]
        if finished.returncode or not lines:
            raise BenchmarkError(f"wrk failed:\n{finished.stdout}{finished.stderr}")
        counts = json.loads(lines[-1])
        if counts["bad"] or counts["broken"]:
            raise BenchmarkError(
                f"{counts['bad']} of {counts['good'] + counts['bad']} responses were not as expected"
                f" (the first had status {counts['first']}), {counts['broken']} connections failed: {self._url[:60]}"
            )
        p99 = counts["p99"] if counts["good"] else math.inf
        return Run(counts["good"], counts["seconds"], cpu, p99)
