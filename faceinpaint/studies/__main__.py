"""`python -m faceinpaint.studies`: what `make readme` does."""

import sys

from faceinpaint.config import UserError
from faceinpaint.system import stderr

try:
    with stderr.quiet_start():
        from faceinpaint.studies import readme
    readme.main()
except UserError as error:
    sys.exit(f"faceinpaint: {error}")
