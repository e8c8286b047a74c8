"""Counters in Redis or Valkey, which all processes and machines share.

A script makes all changes of one call in the server, on the clock of the server. It has the rules of `records`. Each
key expires with its bucket. All keys have the same hash tag, so that they are on one node of a cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from linkauth.login.throttle import records
from linkauth.login.throttle.counters import Applied, Change, Counters, CountersUnavailable
from linkauth.redaction import reason, register_url_secrets

MINIMUM_VERSION = (5, 0)
"""Earlier versions replicate the text of a script instead of its effects, which forbids it to ask for the time."""
_SCRIPT = """
local exact, in_progress_seconds = tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local found, stored, windows, slots, changed, times = {}, {}, {}, {}, {}, {}
local admitted = true

local function count(entries)
  local sum = 0
  for _, each in ipairs(entries) do sum = sum + each[2] end
  return sum
end

local function less(entries, index)
  if entries[index][2] > 1 then
    entries[index][2] = entries[index][2] - 1
  else
    table.remove(entries, index)
  end
end

local function add(entries, at, pending)
  for index = #entries, 1, -1 do
    local each = entries[index]
    if each[1] < at then break end
    if each[1] == at and each[3] == pending then
      each[2] = each[2] + 1
      return
    end
  end
  entries[#entries + 1] = {at, 1, pending}
end

for number, key in ipairs(KEYS) do
  local first = 4 * number
  local action, limit = ARGV[first], tonumber(ARGV[first + 1])
  local seconds, at = tonumber(ARGV[first + 2]), tonumber(ARGV[first + 3])
  local slot = now
  if limit > exact then
    local part = seconds / exact
    slot = math.ceil(now / part) * part
  end
  local entries = found[key]
  if not entries then
    entries = {}
    local record = redis.call('GET', key) or ''
    local position = 1
    while position < #record do
      local time, value
      time, value, position = struct.unpack('<dI4', record, position)
      if time > now - seconds then
        entries[#entries + 1] = {math.min(time, slot), math.floor(value / 2), value % 2 == 1}
      end
    end
    found[key], stored[key], windows[key], slots[key] = entries, record, seconds, slot
  end
  times[number] = 0
  if action ~= 'read' then changed[key] = true end
  if action == 'confirm' or action == 'release' then
    for index, each in ipairs(entries) do
      if each[3] and each[1] == at then
        less(entries, index)
        break
      end
    end
  elseif (action == 'take' or action == 'add') and count(entries) >= limit then
    admitted = false
  elseif action == 'clear' then
    for index = #entries, 1, -1 do
      if not (entries[index][3] and entries[index][1] > now - in_progress_seconds) then
        table.remove(entries, index)
      end
    end
  elseif action == 'forgive' then
    for index = #entries, 1, -1 do
      if not entries[index][3] then
        less(entries, index)
        break
      end
    end
  end
  if action == 'take' or action == 'add' or action == 'confirm' or action == 'fail' then
    add(entries, slot, action == 'take')
    while count(entries) - entries[1][2] >= limit do table.remove(entries, 1) end
    times[number] = slot
  end
end

local answer = {string.format('%.17g', now), admitted and 1 or 0}
for number, key in ipairs(KEYS) do
  if admitted and changed[key] then
    local parts = {}
    for index, each in ipairs(found[key]) do
      parts[index] = struct.pack('<dI4', each[1], 2 * each[2] + (each[3] and 1 or 0))
    end
    stored[key] = table.concat(parts)
    if #parts == 0 then
      redis.call('DEL', key)
    else
      redis.call('SET', key, stored[key], 'PX', math.ceil((slots[key] - now + windows[key]) * 1000))
    end
    changed[key] = nil
  end
end
for number, key in ipairs(KEYS) do
  answer[#answer + 1] = stored[key]
  answer[#answer + 1] = string.format('%.17g', times[number])
end
return answer
"""


class RedisCounters(Counters):
    """Counters in the server at `url` (redis:// or rediss://).

    `namespace` distinguishes the keys of this deployment. A connection and an answer may each take half of
    `milliseconds`. `clock` replaces the clock of the server, for tests. Connects at the first call. Raises ImportError
    if the client library is not installed, and ValueError if the URL is invalid.
    """

    def __init__(
        self, url: str, namespace: str, milliseconds: int = 200, clock: Callable[[], float] | None = None
    ) -> None:
        # most servers do not need it
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        register_url_secrets(url)
        seconds = milliseconds / 2000
        self._error = redis.RedisError
        # without these, a lost server would be tried again for seconds; without a library name there are fewer answers
        # to wait for when a connection is opened
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
            protocol=2,
        )
        self._script = self._client.register_script(_SCRIPT)
        self._prefix = f"{{linkauth-{namespace}}}:"
        self._clock = clock

    def apply(self, changes: Sequence[Change]) -> Applied:
        now = "" if self._clock is None else repr(self._clock())
        arguments: list[Any] = [now, records.EXACT, records.IN_PROGRESS_SECONDS]
        for each in changes:
            arguments += [each.action, each.bucket.limit, each.bucket.seconds, repr(each.at)]
        try:
            found = self._script([self._prefix + each.bucket.key for each in changes], arguments)
        except (self._error, OSError) as error:
            raise CountersUnavailable(f"{type(error).__name__}: {reason(error)}") from None
        time, admitted = float(found[0]), found[1] == 1
        return Applied(
            admitted,
            tuple(
                records.state_of(
                    found[2 * index + 2], each.bucket, time, float(found[2 * index + 3]) if admitted else 0.0
                )
                for index, each in enumerate(changes)
            ),
        )

    def ping(self) -> None:
        try:
            self._client.ping()
        except (self._error, OSError) as error:
            raise CountersUnavailable(f"{type(error).__name__}: {reason(error)}") from None

    def information(self) -> Mapping[str, Any]:
        """Return what the server says of itself (the command INFO). Raises CountersUnavailable."""
        try:
            found: Mapping[str, Any] = self._client.info()
        except (self._error, OSError) as error:
            raise CountersUnavailable(f"{type(error).__name__}: {reason(error)}") from None
        return found

    def close(self) -> None:
        self._client.close()


def url_problem(url: str) -> str:
    """Return what is wrong with the URL of a server, or ""."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is not a URL such as redis://redis.example.com:6379/0"
    if not host or port == 0:
        return "names no host: write redis://<host>:<port>/<database>"
    database = parts.path.removeprefix("/")
    if database and not (database.isascii() and database.isdecimal()):
        return "must end with the number of a database, such as /0"
    return "has parameters for which there are settings" if {"socket_timeout"} & set(parse_qs(parts.query)) else ""
