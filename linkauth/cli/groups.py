"""Command groups with a default command."""

from __future__ import annotations

from typing import Any

import click


class DefaultGroup(click.Group):
    """A group whose first command is the default: `linkauth links INI` is the same as `linkauth links list INI`."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        is_known = args[0] in self.commands or args[0].startswith("-")
        return super().resolve_command(ctx, args if is_known else [next(iter(self.commands)), *args])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in ("-h", "--help"):
            args = [next(iter(self.commands)), *args]
        return super().parse_args(ctx, args)
