#!/usr/bin/env bash
# The browser of the console's tests: Debian's Chromium, where there is none yet and this is root on a system with apt.
set -euo pipefail
command -v chromium > /dev/null && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
  echo "no chromium here: the console's browser tests are skipped"
  exit 0
fi
if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-liberation; } > /dev/null; then
  echo "apt has no chromium here: the console's browser tests are skipped"
fi
