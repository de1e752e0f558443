"""Make the node that a command line names, with its arguments; then run it, or submit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from savethat._commands import Project
    from savethat._node import Node


@dataclass(frozen=True, slots=True)
class Launch:
    """A node, and the options of the command that come before its name."""

    node: Node[Any, Any]
    options: argparse.Namespace

    def run(self, level: str) -> tuple[Node[Any, Any], Any]:
        """Run the node here, with log lines from ``level`` on; the node and its results."""
        from savethat._log import log_to_stderr

        log_to_stderr(level)
        try:
            return self.node, self.node.run()
        except Exception as error:
            if not self.options.pdb:
                raise
            import pdb  # asked for by --pdb
            import traceback

            traceback.print_exc()
            pdb.post_mortem(error.__traceback__)
            raise SystemExit(1) from error

    def submit(self) -> str:
        """Queue the node; its key."""
        from savethat._submit import submit

        submit(self.node, cluster=self.options.cluster, **dict(self.options.parameters))
        return self.node.key


def launch(project: Project, parser: argparse.ArgumentParser, argv: list[str]) -> Launch | None:
    """The node of the command line; None if it names none, and help was printed.

    The options before its name are the command's, those behind it are its own.

    Raises:
        SystemExit: The words do not fit; what is wrong was printed on stderr.
        SavethatError: There is no such node, or it cannot be made.
    """
    own, name, rest = _split_at_node(parser, argv)
    options = parser.parse_args(own)
    if name is None:
        parser.print_help()
        return None
    from savethat._discover import find_node, make_importable, node_name
    from savethat._node import create_node
    from savethat._parser import parse_argv

    make_importable(project.package, project.project_dir)
    node_cls = find_node(project.package, name)
    args_cls = node_cls.get_args_class()
    storage = project.storage()
    program = f"{parser.prog} {node_name(node_cls)}"
    args = parse_argv(args_cls, rest, prog=program, config=options.config)
    return Launch(create_node(node_cls, args, storage=storage), options)


def _split_at_node(
    parser: argparse.ArgumentParser, argv: list[str]
) -> tuple[list[str], str | None, list[str]]:
    """The options of the command, the node's name, and the node's own arguments."""
    valued = {
        flag for action in parser._actions if action.nargs != 0 for flag in action.option_strings
    }
    index = 0
    while index < len(argv) and argv[index].startswith("-"):
        index += 2 if argv[index] in valued else 1
    name = argv[index] if index < len(argv) else None
    return argv[:index], name, argv[index + 1 :]
