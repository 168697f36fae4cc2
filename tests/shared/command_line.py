"""The command line within this process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from querist.cli import main


def call(*arguments: object) -> Result:
    """What ``querist`` with these arguments prints, and its exit code.

    Raises:
        AssertionError: If it shows a traceback.
        BaseException: What was raised, but for exits.
    """
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
