"""Starts a Pyramid application with a single view in the same way as linkauth: ini file, PasteDeploy, waitress."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from benchmarks.report import BenchmarkError
from benchmarks.serving import ENVIRONMENT, START_SECONDS, pinned

APPLICATION = """
from pyramid.config import Configurator
from pyramid.response import Response


def main(global_config, **settings):
    with Configurator(settings=settings) as config:
        config.add_route("page", "/authorize")
        config.add_view(lambda request: Response("a page"), route_name="page")
        return config.make_wsgi_app()
"""
INI = """
[app:main]
paste.app_factory = bare_application:main

[server:main]
use = egg:waitress#main
listen = 127.0.0.1:{port}
"""


def start_bare(folder: Path, port: int, core: int) -> float:
    """Returns the seconds from the start of `pserve` to the first page of the bare application, and stops it."""
    (folder / "bare_application.py").write_text(APPLICATION, "utf-8")
    ini = folder / "bare.ini"
    ini.write_text(INI.format(port=port), "utf-8")
    command = [str(Path(sys.executable).with_name("pserve")), str(ini)]
    environment = ENVIRONMENT | {"PYTHONPATH": str(folder)}
    with pinned(core):
        begun = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/authorize", timeout=5) as page:
                    page.read()
                return time.monotonic() - begun
            except OSError:
                if process.poll() is not None or time.monotonic() > begun + START_SECONDS:
                    raise BenchmarkError("the bare Pyramid application did not start") from None
                # polls for the first page
                time.sleep(0.005)
    finally:
        process.terminate()
        process.wait()
