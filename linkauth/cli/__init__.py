"""The `linkauth` command. Each verb has its own module, which is imported only when the verb is used.

The list of verbs in the help needs none of these modules. The modules of the verbs import the database, the backends
and the themes inside their functions, so that a verb loads only what it uses.
"""

from __future__ import annotations

import atexit
import gc
from importlib import import_module
from typing import Any

import click

# without it, Python searches all objects for garbage when a process ends, a fifth of the time of most commands
atexit.register(gc.freeze)

VERBS = {
    "backends": "List the credential backends, and compare shadow backends with the others.",
    "catalogs": "Extract the texts of each installed THEME, and update and compile its catalogs.",
    "client": "Show what to type into the console of a platform.",
    "config": "Show every setting that is in effect, and where it comes from.",
    "db": "Manage linkauth's database of links and tokens.",
    "doctor": "Check settings, backends, sign-in providers, throttle, database and mails, and public_url from outside.",
    "explain": "Show which account each backend finds for NAME, and which backend would decide about a sign-in.",
    "keys": "Manage the keys that sign JWT access tokens.",
    "links": "List the links of people and skills, and end them.",
    "log": "Find the lines of a person in the log.",
    "mail": "Show the mails that wait, send them, and send a test mail.",
    "plugin": "Start a new credential backend or sign-in provider.",
    "second-factor": "Show the second factors of people, and remove them.",
    "serve": "Start the server with the ini file INI.",
    "sign-ins": "List the sign-in providers in the order of their buttons, without connecting to them.",
    "simulate": "Test the running server with the requests of a platform.",
    "sweep": "Look everybody with a link up again, and end the links of people who have left.",
    "theme": "Start a new theme, preview it, and check it.",
    "try": "Sign in once as NAME, and show what each backend sees and what the person would see.",
}
"""The first sentence of the help of each verb. A verb is the name of a module in this package and of its command,
except for MODULES."""

MODULES = {"second-factor": "second_factor", "sign-ins": "sign_ins", "try": "try_sign_in"}
"""The modules of verbs that are not names of Python."""


class Verbs(click.Group):
    """Loads the commands of VERBS on demand and redacts configured secrets in their error messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module = MODULES.get(name, name)
        command: click.Command = vars(import_module(f"linkauth.cli.{module}"))[module]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # click would import the module of each verb
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            if isinstance(error, click.UsageError):
                # it quotes only the command line, which contains no configured secret
                raise
            from linkauth.redaction import redact

            # the class has the exit code; subclasses of click take other arguments
            kind = click.ClickException if error.exit_code == 1 else type(error)
            raise kind(redact(error.message)) from None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="linkauth")
def main() -> None:
    """Alexa account linking for the user directory that you already have."""
