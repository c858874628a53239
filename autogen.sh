#!/bin/sh
# Makes configure from configure.ac. Nothing is fetched.
set -e
cd "$(dirname "$0")"
exec autoreconf --install --force --warnings=all,no-portability,no-obsolete
