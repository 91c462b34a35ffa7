"""The only place that ends the process: turns what commands return and raise into exit codes and clear sentences."""
from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from realtrading.errors import BadInput, RealTradingError

EXIT_INTERNAL = 1
EXIT_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of `realtrading` and `python -m realtrading`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    code = call(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)


def call(arguments: list[str]) -> int:
    """Run one command; returns the exit code. Users never see a traceback."""
    if arguments == ["--map"]:
        from realtrading.topology import the_map

        sys.stdout.write(the_map() + "\n")
        return 0
    from realtrading.doors.cli.group import cli

    try:
        code = cli.main(args=arguments, prog_name="realtrading", standalone_mode=False, obj=end_now)
    except click.exceptions.Abort:
        return EXIT_INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as wrong:
        sys.stderr.write(f"{wrong.format_message()}\n")
        return wrong.exit_code
    except click.ClickException as wrong:
        sys.stderr.write(f"realtrading: {wrong.format_message()}\n")
        return wrong.exit_code
    except BadInput as wrong:
        for line in str(wrong).splitlines():
            sys.stderr.write(f"realtrading: {line}\n")
        return wrong.exit_code
    except RealTradingError as failure:
        sys.stderr.write(f"realtrading: {type(failure).__name__}: {failure}\n")
        return EXIT_INTERNAL
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_INTERNAL
    return code if isinstance(code, int) else 0


def end_now(code: int) -> None:
    """End the process at once, without another line of Python: the journal is dead and nothing may be sent any more."""
    os._exit(code)


if __name__ == "__main__":
    main()
