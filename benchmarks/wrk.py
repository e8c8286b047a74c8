"""Load by wrk, for what one request is enough for: every answer's status and a word of its body are checked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks.report import BenchmarkError

CONNECTIONS = 16
INSTALL = "apt-get install wrk"
_NUMBERS = count()
# the answers are counted where they come in, in wrk's thread; `done` runs in another Lua state and asks for the counts
_LUA = """
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args) good, bad, first = 0, 0, "" end
wrk.method, wrk.body = METHOD, BODY
for name, value in pairs(HEADERS) do wrk.headers[name] = value end
if BODIES then
  local lines = io.lines(BODIES)
  function request() return wrk.format(nil, nil, nil, lines() or "used up") end
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
    .. '"p50": %f, "p99": %f, "p999": %f}\\n', good, bad, first, broken, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
"""


@dataclass(frozen=True)
class Run:
    """What wrk saw; latencies are in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    p999: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def require() -> None:
    """wrk is here, or gets installed where that may be; raises BenchmarkError with the command otherwise."""
    if shutil.which("wrk"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"wrk is missing: {INSTALL}", flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "wrk"]):
            subprocess.run(["apt-get", *arguments], check=False, stdout=subprocess.DEVNULL, env=environment)
    if not shutil.which("wrk"):
        raise BenchmarkError(f"wrk is missing; install it with: sudo {INSTALL}")


class Load:
    """The same request over and over; an answer is good if it is a 200 with `word` in its body.

    With `bodies`, the path of a file, each request has the next line of it as its body.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        word: str,
        headers: dict[str, str],
        body: str | None = None,
        bodies: Path | None = None,
    ) -> None:
        self._url = url
        posts = body is not None or bodies is not None
        self._script = folder / f"load-{next(_NUMBERS)}.lua"
        # a JSON string of ASCII is a Lua string too
        pairs = ", ".join(f"[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())
        values = {
            "METHOD": json.dumps("POST" if posts else "GET"),
            "BODIES": json.dumps(str(bodies)) if bodies else "nil",
            "BODY": json.dumps(body) if body else "nil",
            "HEADERS": f"{{{pairs}}}",
            "WORD": json.dumps(word),
        }
        script = _LUA
        for name, value in values.items():
            script = script.replace(name, value)
        self._script.write_text(script, "ascii")

    def run(self, seconds: float) -> Run:
        """One run; raises BenchmarkError if a single answer was not good."""
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        finished = subprocess.run(
            [*command, "-s", str(self._script), self._url], capture_output=True, text=True, timeout=seconds + 30
        )
        lines = [line for line in finished.stdout.splitlines() if line.startswith("{")]
        if finished.returncode or not lines:
            raise BenchmarkError(f"wrk failed:\n{finished.stdout}{finished.stderr}")
        seen = json.loads(lines[-1])
        if seen["bad"] or seen["broken"] or not seen["good"]:
            raise BenchmarkError(
                f"{seen['bad']} of {seen['good'] + seen['bad']} answers were not what was asked for"
                f" (the first had status {seen['first']}), {seen['broken']} connections broke: {self._url[:60]}"
            )
        return Run(seen["good"], seen["seconds"], seen["p50"], seen["p99"], seen["p999"])
