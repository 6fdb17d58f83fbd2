"""`python -m t2ipal` is `t2ipal`."""

import sys

from t2ipal.cli import main

if __name__ == "__main__":
    sys.exit(main())
