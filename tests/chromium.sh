#!/bin/sh
# The browser tests' Chromium: Debian's, installed where it is missing and we may install it.
set -eu
if command -v chromium >/dev/null; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo 'Installing Chromium for the browser tests …'
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        chromium fonts-dejavu-core >/dev/null
    exit 0
fi
echo 'No Chromium here, and no right to install it: BROWSER TESTS WILL BE SKIPPED.' >&2
echo 'Install it (on Debian: sudo apt-get install chromium) and run make test again.' >&2
if [ "${CI:-}" = true ]; then
    echo 'Under continuous integration that is a failure.' >&2
    exit 1
fi
