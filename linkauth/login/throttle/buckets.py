"""The buckets that an attempt counts in.

All names share a fixed number of buckets, and so do all addresses: the number of a bucket is a keyed hash, cut to
NUMBER_BITS bits. So random names cannot fill the storage, a full bucket does not tell whether a name exists, and nobody
can tell from the storage whose failures it counts. Two people share a bucket so rarely that it does no harm: a flood
must add about ten failures to each of the buckets within the window to reach the limit of an uninvolved person.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Final

from linkauth.config.settings import ThrottleSettings
from linkauth.identities import address_bucket, normalize_username
from linkauth.login.throttle.counters import Bucket

NUMBER_BITS = 18
CLIENT_GLOBAL_FACTOR = 100
"""Factor on `client_failures` for one client over all addresses, and at addresses that have sent its correct secret."""
START_SECONDS, MAX_START_SECONDS = 15, 900
"""The wait of the first start of a recovery or registration above the limit; each further one waits twice as long, up
to the maximum."""
START_DOUBLINGS: Final = (MAX_START_SECONDS // START_SECONDS).bit_length()
ADDRESS_KINDS = frozenset({"address", "network"})


def throttle_key(secret: str) -> bytes:
    """Return the key of the hashes for a deployment, whose servers have the same linkauth.secret."""
    return sha256(b"linkauth throttle" + secret.encode("utf-8")).digest()


class Buckets:
    """Makes the buckets for names, addresses and clients. `key` is the key of the hashes."""

    def __init__(self, settings: ThrottleSettings, key: bytes) -> None:
        self._settings, self._key = settings, key

    @property
    def namespace(self) -> str:
        """A text that distinguishes the keys of this deployment from those of others in the same storage."""
        return self._hash("\0namespace").to_bytes(8, "big").hex()[:8]

    def accounts(self, names: Iterable[str]) -> list[Bucket]:
        """Buckets of typed user names, and of accounts, whose names begin with NUL: user names do not contain NUL."""
        limits = self._settings.account_failures, self._settings.account_window
        numbers = sorted({self._number(normalized(name)) for name in names})
        return [Bucket("account", number, *limits) for number in numbers]

    def device(self, device: str, name: str) -> Bucket:
        """The bucket of a known device for the normalized name of its owner."""
        limits = self._settings.account_failures, self._settings.account_window
        return Bucket("device", self._number(f"{device}\0{name}"), *limits)

    def addresses(self, address: str) -> list[Bucket]:
        """Buckets of an IP address: the IPv4 address, or the /64 and the /48 network of an IPv6 address."""
        window = self._settings.address_window
        found = [self.address(address)]
        if network := network_of(address):
            found.append(Bucket("network", self._number(network), self._settings.network_failures, window))
        return found

    def address(self, address: str) -> Bucket:
        limits = self._settings.address_failures, self._settings.address_window
        return Bucket("address", self._number(address_bucket(address)), *limits)

    def service(self) -> Bucket:
        return Bucket(
            "service", self._number("\0service"), self._settings.service_failures, self._settings.service_window
        )

    def start(self, address: str) -> Bucket:
        """The bucket of the starts of recoveries and registrations. Its limit allows to count all longer waits."""
        limit = self._settings.start_limit + START_DOUBLINGS + 1
        return Bucket("start", self._number(address_bucket(address)), limit, self._settings.start_window)

    def provider_start(self, address: str) -> Bucket:
        limits = self._settings.address_failures, self._settings.address_window
        return Bucket("provider", self._number(address_bucket(address)), *limits)

    def client(self, client_id: str) -> Bucket:
        """The bucket of a client over all addresses."""
        limit = self._settings.client_failures * CLIENT_GLOBAL_FACTOR
        return Bucket("client", self._number(client_id), limit, self._settings.client_window)

    def client_at(self, client_id: str, address: str, is_verified: bool) -> Bucket:
        """The bucket of a client at one address. `is_verified`: it has sent the correct secret from there."""
        kind, factor = ("verified", CLIENT_GLOBAL_FACTOR) if is_verified else ("client_at", 1)
        limit = self._settings.client_failures * factor
        number = self._number(f"{client_id}\0{address_bucket(address)}")
        return Bucket(kind, number, limit, self._settings.client_window)

    def _number(self, text: str) -> int:
        return self._hash(text) >> (64 - NUMBER_BITS)

    def _hash(self, text: str) -> int:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big")


def normalized(name: str) -> str:
    """Return the same text for all spellings of a user name. The name of an account begins with NUL, and is exact."""
    return name if name.startswith("\0") else normalize_username(name)


@lru_cache(1024)
def network_of(address: str) -> str:
    """Return the /48 network of an IPv6 address; "" for other addresses.

    A site usually gets a /48 or a /56 (RFC 6177), so one site may have 65,536 networks /64.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if ip.version == 4 or ip.ipv4_mapped:
        return ""
    return str(ipaddress.ip_network((ip, 48), strict=False))
