"""Tests that wheels of all distributions work in a new virtual environment, without the source tree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
DISTRIBUTIONS = [ROOT, *sorted(path.parent for path in ROOT.glob("*/*/setup.py"))]
PROBE = """
import linkauth, linkauth_http, linkauth_ldap, linkauth_oidc, linkauth_sql, linkauth.simulator
import linkauth_theme_default, linkauth_theme_vellmoor
plugins = (linkauth_http, linkauth_ldap, linkauth_oidc, linkauth_sql)
themes = (linkauth_theme_default, linkauth_theme_vellmoor)
assert all("site-packages" in m.__file__ for m in (linkauth, *plugins, *themes))
import io, sys
from linkauth.web.serving import load
from webob import Request
app = load(sys.argv[1]).app
enabled = Request.blank("/simulator/enable?language=de").get_response(app)
page = Request.blank(enabled.location.replace("http://127.0.0.1:6543", "")).get_response(app)
assert page.status_int == 200, page
assert "Anmelden und verknüpfen" in page.text
for asset in __import__("re").findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
    assert Request.blank(asset).get_response(app).status_int == 200, asset
assert "Alexa simulator" in Request.blank("/").get_response(app).text
print("shown", len(page.text))
"""


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_wheels_of_all_distributions_work_in_a_clean_venv(tmp_path: Path) -> None:
    pip_options = ("-m", "pip", "--disable-pip-version-check", "-q")
    source_copy = tmp_path / "source"
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines()
    for name in files:
        # copy the sources: a build folder of an earlier run would add files to the wheel
        if (ROOT / name).is_file():
            (source_copy / name).parent.mkdir(parents=True, exist_ok=True)
            (source_copy / name).write_bytes((ROOT / name).read_bytes())
    for distribution in DISTRIBUTIONS:
        source = source_copy / distribution.relative_to(ROOT)
        options = ("--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path / "wheels")
        run(sys.executable, *pip_options, "wheel", *options, source, cwd=tmp_path)
    wheels = sorted((tmp_path / "wheels").glob("*.whl"))
    assert len(wheels) == len(DISTRIBUTIONS)
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv/bin/python"
    # as in docs/deployment.md; pip check finds requirements of the wheels that locked.txt does not contain
    run(python, *pip_options, "install", "--require-hashes", "--requirement", ROOT / "locked.txt", cwd=tmp_path)
    run(python, *pip_options, "install", "--no-deps", "--no-index", *wheels, cwd=tmp_path)
    run(python, *pip_options, "check", cwd=tmp_path)
    (tmp_path / "development.ini").write_text((ROOT / "development.ini").read_text("utf-8"), "utf-8")
    (tmp_path / "var").mkdir()
    assert run(python, "-c", PROBE, tmp_path / "development.ini", cwd=tmp_path).startswith("shown ")
    command = tmp_path / "venv/bin/linkauth"
    assert "Usage: linkauth" in run(command, "--help", cwd=tmp_path)
    # the wheel contains the templates of the commands
    run(command, "plugin", "new", "probe", cwd=tmp_path)
    assert (tmp_path / "linkauth-probe/linkauth_probe/__init__.py").is_file()
    run(command, "theme", "new", "probe", "--parent", "vellmoor", cwd=tmp_path)
    assert (tmp_path / "linkauth-theme-probe/linkauth_theme_probe/static/page.css.jinja2").is_file()
    run(command, "theme", "preview", "development.ini", "--export", "gallery", cwd=tmp_path)
    assert (tmp_path / "gallery/gallery.js").is_file()
