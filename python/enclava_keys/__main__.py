"""`python -m enclava_keys`: keys from the command line."""

import sys

from enclava_keys.cli import main

if __name__ == "__main__":
    sys.exit(main())
