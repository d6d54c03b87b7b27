"""`python -m bayesglmm`: the command line."""

import sys

from bayesglmm.faces.cli import main

if __name__ == "__main__":
    sys.exit(main())
