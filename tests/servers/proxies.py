"""One nginx that is a different proxy on each of its ports, most of them with one fault, for `linkauth doctor`."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from waitress.server import create_server

from tests.servers.certificates import Authority
from tests.servers.development_server import free_port
from tests.servers.nginx import NAME, Nginx

PROXY_HEADERS = (
    "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; "
    "proxy_set_header X-Forwarded-Proto $scheme;"
)
BUFFERS = "large_client_header_buffers 4 32k; proxy_buffer_size 32k; proxy_buffers 8 16k;"
DAYS_LEFT = 9
"""Of the certificate "ending"."""
OLD_TLS = "ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;"


class Chains:
    """The files of certificate chains for NAME: CHAIN.pem as the server sends it, and CHAIN.key.

    `trusted` has the roots that the machine of the tests trusts; `listed` is the folder with those in Mozilla's list.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        root, private = Authority("Example Root"), Authority("Example Corp Internal Root")
        intermediate = Authority("Example Issuing CA", root)
        encrypt_root = Authority("ISRG Root X1", organization="Internet Security Research Group")
        encrypt = Authority("R10", encrypt_root, "Let's Encrypt")
        unknown = Authority("Unknown Root")
        unknown_intermediate = Authority("Unknown Issuing CA", unknown)
        names = (NAME,)
        self._write("good", *intermediate.issue(names), intermediate)
        self._write("short", *intermediate.issue(names))
        self._write("expired", *intermediate.issue(names, ended_days_ago=2), intermediate)
        self._write("ending", *intermediate.issue(names, days=DAYS_LEFT + 1), intermediate)
        self._write("early", *intermediate.issue(names, begins_in_days=3), intermediate)
        self._write("wrong_name", *intermediate.issue(("www.example.org", "example.org")), intermediate)
        self._write("self_signed", *Authority(NAME).issue(names, self_signed=True))
        self._write("unknown", *unknown.issue(names), unknown)
        self._write("rootless", *unknown_intermediate.issue(names), unknown_intermediate)
        self._write("private", *private.issue(names))
        self._write("lets_encrypt", *encrypt.issue(names), encrypt)
        self.trusted = folder / "trusted.crt"
        self.trusted.write_bytes(root.pem + private.pem + encrypt_root.pem)
        self.listed = folder / "mozilla"
        self.listed.mkdir()
        (self.listed / "Example_Root.crt").write_bytes(root.pem)
        (self.listed / "ISRG_Root_X1.crt").write_bytes(encrypt_root.pem)

    def _write(self, name: str, certificate: bytes, key: bytes, *issuers: Authority) -> None:
        (self.folder / f"{name}.pem").write_bytes(certificate + b"".join(issuer.pem for issuer in issuers))
        (self.folder / f"{name}.key").write_bytes(key)


class Proxies:
    """`port[NAME]` is the port of the proxy NAME. The proxy `good` has no fault.

    `apps` are the applications behind the proxies: "linkauth" and "other", which has another linkauth.secret.
    """

    def __init__(self, folder: Path, apps: Mapping[str, Any], stack: ExitStack) -> None:
        folder.mkdir()
        self.chains = Chains(folder / "chains")
        self._folder, self._upstream = folder, stack.enter_context(_served(apps))
        hung = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        servers = {
            **{name: self._server(name) for name in ("good", "short", "expired", "ending", "early", "wrong_name")},
            **{name: self._server(name) for name in ("self_signed", "unknown", "rootless", "private", "lets_encrypt")},
            "old_tls": self._server(more=OLD_TLS),
            "new_tls": self._server(more="ssl_protocols TLSv1.3;"),
            "small_request": self._server(buffers="large_client_header_buffers 4 2k;"),
            "small_response": self._server(buffers="proxy_buffer_size 4k; proxy_buffers 8 4k;"),
            "no_headers": self._server(headers="proxy_set_header Host $host;"),
            "passed_headers": self._server(headers="proxy_set_header X-Forwarded-Proto $claimed;"),
            "hung": self._server(upstream=f"127.0.0.1:{hung}"),
            "down": self._server(upstream=f"127.0.0.1:{free_port()}"),
            "other_linkauth": self._server(headers=f"{PROXY_HEADERS} proxy_set_header X-Test-App other;"),
            "wrong_clock": self._server(
                headers=f"{PROXY_HEADERS} proxy_set_header X-Test-Date 'Mon, 30 Nov 2015 12:00:00 GMT';",
                more="proxy_pass_header Date;",
            ),
            "policy": self._server(more="add_header Content-Security-Policy \"form-action 'self'\";"),
            "changed": self._server(
                more='proxy_hide_header Strict-Transport-Security; add_header X-Frame-Options "SAMEORIGIN";'
            ),
            "longer_hsts": self._server(
                more="proxy_hide_header Strict-Transport-Security; "
                "add_header Strict-Transport-Security 'max-age=63072000; includeSubDomains';"
            ),
            "caching": self._server(
                more="proxy_cache pages; proxy_cache_valid 200 1m; proxy_ignore_headers Cache-Control; "
                "add_header X-Cache-Status $upstream_cache_status; proxy_hide_header Cache-Control;"
            ),
            "static": self._server(location="return 200 'It works';"),
            "elsewhere": self._server(location="return 301 https://www.example.org$request_uri;"),
            "firewall": self._server(location="return 403;"),
            "get_only": self._server(location=f"if ($request_method = POST) {{ return 405; }} {self._pass()}"),
            "plain": self._server(tls=False),
        }
        self.port = {name: free_port() for name in servers}
        maps = (
            "map $http_x_forwarded_proto $claimed { default $http_x_forwarded_proto; '' https; }\n"
            f"proxy_cache_path {folder}/cache keys_zone=pages:1m;\n"
        )
        blocks = [block.replace("%(port)s", str(self.port[name])) for name, block in servers.items()]
        nginx = Nginx(folder / "nginx", maps + "\n".join(blocks), tuple(self.port.values()))
        stack.callback(nginx.stop)
        nginx.start()

    def _pass(self, upstream: str = "", headers: str = PROXY_HEADERS) -> str:
        return f"proxy_pass http://{upstream or self._upstream}; {headers}"

    def _server(
        self,
        chain: str = "good",
        *,
        tls: bool = True,
        buffers: str = BUFFERS,
        headers: str = PROXY_HEADERS,
        upstream: str = "",
        more: str = "",
        location: str = "",
    ) -> str:
        files = f"{self.chains.folder}/{chain}"
        certificate = f"ssl_certificate {files}.pem; ssl_certificate_key {files}.key;" if tls else ""
        return (
            f"server {{ listen 127.0.0.1:%(port)s{' ssl' * tls}; {certificate} {buffers} {more} "
            f"location / {{ {location or self._pass(upstream, headers)} }} }}"
        )


@contextmanager
def _served(apps: Mapping[str, Any]) -> Iterator[str]:
    """Serves the application that the header X-Test-App names, by default "linkauth". Yields its address.

    A header X-Test-Date is the Date of the response.
    """

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        date = environ.get("HTTP_X_TEST_DATE")

        def start(status: str, headers: list[tuple[str, str]], *arguments: Any) -> Any:
            return start_response(status, [*headers, *([("Date", date)] if date else [])], *arguments)

        return apps[environ.get("HTTP_X_TEST_APP", "linkauth")](environ, start)

    server = create_server(application, host="127.0.0.1", port=0, threads=8, clear_untrusted_proxy_headers=False)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"127.0.0.1:{server.effective_port}"
    finally:
        server.close()
        thread.join(30)
