"""`python -m faceinpaint.studies`: what `make readme` does; with the word claims, what `make variations` does."""

import sys

from faceinpaint.config import UserError
from faceinpaint.system import stderr

if sys.argv[1:2] == ["claims"]:
    with stderr.quiet_start():
        from faceinpaint.studies import claims
    sys.exit(claims.main(sys.argv[2:]))

try:
    with stderr.quiet_start():
        from faceinpaint.studies import readme
    readme.main()
except UserError as error:
    print(f"faceinpaint: {error}", file=sys.stderr)
    sys.exit(2)
