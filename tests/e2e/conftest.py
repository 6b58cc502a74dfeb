"""Harness of the end-to-end tests; interop uses it as well."""

from fixtures import *  # noqa: F401,F403
