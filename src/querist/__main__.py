"""``python -m querist``: the command line, where the ``querist`` script is not on the path."""

from querist.cli import main

if __name__ == "__main__":
    main()
