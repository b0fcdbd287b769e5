# SPDX-License-Identifier: Apache-2.0
"""What ends a run, in the words that its user reads."""


class Failure(Exception):
    """A sentence that says what is wrong."""
