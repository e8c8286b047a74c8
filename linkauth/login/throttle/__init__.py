"""Limits failed sign-ins, so that guessing a password is not feasible.

Failures are counted in buckets: per account over all addresses, and per address over all accounts. Both the typed user
name and the account that a backend finds by it count as an account, because an account may have several user names.
An attempt is counted before the password is checked, and given back if it does not fail; so parallel attempts do not
exceed the limit, however many processes run. A success clears the bucket of the account, but not that of the address.
An unavailable backend does not count.

The response is "too many attempts" only if the typed name, the address or the service is over its limit. If only the
account is over its limit, the response is "wrong password"; otherwise it would reveal that the account exists (see
`dispatch`).

`counters` is the contract of a storage, `memory` and `redis_counters` are storages, and another one is in
`linkauth.storage`; `shared` goes on while one of them is lost. `known_devices` makes the cookies of people's devices.
"""

from linkauth.login.throttle.attempt import Attempt
from linkauth.login.throttle.throttle import Throttle

__all__ = ["Attempt", "Throttle"]
