"""`python -m harness VERB ...`."""

import signal
import sys

# An interrupt while modules load would end in a traceback (numpy makes an ImportError of it): it
# waits until main() is ready for it.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

from harness.cli.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
