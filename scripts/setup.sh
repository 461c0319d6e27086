#!/usr/bin/env bash
# Sets up what VIPA needs where no ROS is installed: system packages, .venv with ROS 2 Jazzy from wheels, the interface
# packages compiled into it, and the `vipa` command. Each step leaves a stamp of what it was made from in .venv/.setup,
# written when the step is complete: a second run does nothing, an interrupted one is taken up where it stopped.
#
#   scripts/setup.sh            everything but torch
#   scripts/setup.sh --train    torch and what training needs, too
#
# VIPA_PYTHON names the interpreter to use (3.11 to 3.13).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$(pwd -P)
venv=$root/.venv
python=$venv/bin/python
stamps=$venv/.setup
log=$root/.vipa/setup.log
train=false

case "${1-}" in
  '') ;;
  --train) train=true ;;
  *) echo "error: scripts/setup.sh: unknown argument '$1'; allowed: --train" >&2; exit 2 ;;
esac

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
# Hash of the named files and of their paths.
digest() { find "$@" -type f -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c-64; }
stamped() { [ "$(cat "$stamps/$1" 2>/dev/null)" = "$2" ]; }
stamp() { mkdir -p "$stamps" && printf '%s' "$2" > "$stamps/$1.new" && mv "$stamps/$1.new" "$stamps/$1"; }
unstamp() { rm -f "${@/#/$stamps/}"; }

[ "$(uname -sm)" = "Linux x86_64" ] || fail "this is $(uname -sm): the ROS wheels exist for Linux x86_64 alone"

# A sourced ROS would be mixed with the wheels: none of it may reach what is built here. Nor may make's own flags.
for name in ${!ROS_*} AMENT_PREFIX_PATH AMENT_CURRENT_PREFIX COLCON_PREFIX_PATH CMAKE_PREFIX_PATH RMW_IMPLEMENTATION \
    PYTHONPATH PYTHONHOME _ROS_WHEELS_BOOTSTRAP_COMPLETE MAKEFLAGS MFLAGS; do
  unset "$name"
done
case ${LD_LIBRARY_PATH-} in */opt/ros/*) unset LD_LIBRARY_PATH ;; esac

mkdir -p .vipa
exec 9> .vipa/setup.lock
flock -n 9 || { say "another set-up is running here, waiting for it"; flock 9; }

# --- the interpreter ---------------------------------------------------------------------------------------------------
find_python() {
  local candidate
  for candidate in ${VIPA_PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2> /dev/null; then
      printf '%s' "$candidate"
      return
    fi
  done
}

# --- system packages ---------------------------------------------------------------------------------------------------
some_file() { compgen -G "$1" > /dev/null; }
library() { { /sbin/ldconfig -p 2> /dev/null || ldconfig -p; } | grep "$1" > /dev/null; }  # not -q: who writes on into a closed pipe fails

missing_packages() {
  command -v g++ > /dev/null || echo g++
  command -v cmake > /dev/null || echo cmake
  command -v make > /dev/null || echo make
  library 'libEGL\.so\.1' || echo libegl1
  library 'libOpenGL\.so\.0' || library 'libGL\.so\.1' || echo libopengl0
  some_file '/usr/lib*/dri/*_dri.so' || some_file '/usr/lib/*/dri/*_dri.so' || some_file '/usr/lib/*/libgallium*' ||
    some_file '/usr/share/glvnd/egl_vendor.d/*nvidia*.json' || echo libgl1-mesa-dri
  [ -x "$python" ] && return
  if [ -z "$base" ]; then
    echo python3 python3-venv python3-dev
    return
  fi
  local version
  version=$("$base" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
  "$base" -c 'import ensurepip, venv' 2> /dev/null || echo "$version-venv"
  "$base" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
    echo "$version-dev"
}

base=$(find_python)
[ -n "$base" ] || [ -z "${VIPA_PYTHON-}" ] || fail "VIPA_PYTHON='$VIPA_PYTHON' is not a Python 3.11, 3.12 or 3.13"
missing=$(missing_packages | xargs)
if [ -n "$missing" ]; then
  install="apt-get install -y --no-install-recommends $missing"
  command -v apt-get > /dev/null || fail "missing on this system (Debian's names): $missing"
  if [ "$(id -u)" = 0 ]; then
    sudo=
  elif sudo -n true 2> /dev/null; then
    sudo="sudo -n"
  else
    fail "system packages are missing; run: sudo apt-get update && sudo $install"
  fi
  say "system packages: $missing"
  { $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive $install; } > "$log" 2>&1 < /dev/null || {
    tail -n 15 "$log" >&2
    fail "system packages could not be installed; run: ${sudo:+sudo }apt-get update && ${sudo:+sudo }$install"
  }
  base=$(find_python)
  missing=$(missing_packages | xargs)
  [ -z "$missing" ] || fail "still missing after apt-get: $missing"
fi

# --- virtual environment -----------------------------------------------------------------------------------------------
# The stamp holds the path as well: a moved checkout has a moved environment, whose scripts name the old place.
venv_state() { "$python" -c 'import pip, sys; print(sys.prefix, "%d.%d" % sys.version_info[:2])' 2> /dev/null || echo broken; }

if ! { [ -f "$stamps/venv" ] && stamped venv "$("$python" -c 'import sys; print(sys.prefix, "%d.%d" % sys.version_info[:2])' 2> /dev/null)"; }; then
  case $(venv_state) in
    "$venv 3.11" | "$venv 3.12" | "$venv 3.13") adopt=$(head -n 3 "$venv/bin/pip" | grep -cF "$venv/bin/python" || true) ;;
    *) adopt=0 ;;
  esac
  if [ "$adopt" = 0 ]; then
    [ -n "$base" ] || fail "no Python 3.11, 3.12 or 3.13 found; install one and name it in VIPA_PYTHON"
    [ ! -e "$venv" ] || [ -f "$venv/pyvenv.cfg" ] || fail "$venv exists and is not a virtual environment; move it away"
    say "virtual environment in .venv with $("$base" --version)"
    rm -rf "$venv" .vipa/build
    "$base" -m venv "$venv"
  fi
  stamp venv "$(venv_state)"
fi
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# --- Python packages ---------------------------------------------------------------------------------------------------
# pip's output goes to the log; what is shown is that it gets on.
pip_install() {
  "$python" -m pip install --disable-pip-version-check --no-input --progress-bar off "$@" 2>&1 < /dev/null | tee "$log" |
    awk '/^(Collecting|Processing|Requirement already)/ { if (++n % 25 == 0) printf "setup:   %d found\n", n }
         /^Installing collected/ && n >= 25 { printf "setup:   %d found, installing\n", n } { fflush() }' ||
    { tail -n 15 "$log" >&2; fail "pip failed; its whole output is in .vipa/setup.log"; }
}

# uv fetches and unpacks in parallel: a fifth of pip's time. It comes from the same lock file, and reads none of pip's settings.
# Copies, no links into uv's cache: patch_targets writes into what is installed.
uv_install() {
  local index
  index=$("$python" -m pip config get global.index-url 2> /dev/null || true)
  index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$index}}
  [ -x "$venv/bin/uv" ] || pip_install --no-deps --require-hashes -r <(awk '/^[a-z]/ { on = /^uv==/ } on' requirements.lock)
  "$venv/bin/uv" pip install --quiet --link-mode copy ${index:+--default-index "$index"} --python "$python" "$@" < /dev/null
}

packages=$(grep -v '^ *#' requirements.lock | sha256sum)
if ! stamped packages "$packages"; then
  unstamp packages
  say "Python packages: $(grep -c '^[a-z]' requirements.lock) pinned in requirements.lock"
  uv_install --no-deps --require-hashes -r requirements.lock || {
    say "uv could not install them; trying with pip (a few minutes)"
    pip_install --no-deps --require-hashes -r requirements.lock
  }
  stamp packages "$packages"
fi

# --- interface packages ------------------------------------------------------------------------------------------------
# A stand-in is built only where its true package has not come as a wheel.
sources=(vipa_msgs)
for package in interfaces/*/; do
  some_file "$site/ros_$(basename "$package")-*.dist-info" || sources+=("${package%/}")
done

# The wheels' CMake targets name folders of the machine they were built on.
patch_targets() {
  "$python" - "$venv/share" << 'PY'
import pathlib, re, sys, sysconfig
import numpy

for path in filter(pathlib.Path.is_file, pathlib.Path(sys.argv[1]).rglob("*.cmake")):
    old = path.read_text()
    new = re.sub(r"/opt/python/[\w-]+/include/python[\d.]+\d", sysconfig.get_path("include"), old)
    new = re.sub(r"/opt/python/[\w-]+/lib/python[\d.]+\d/site-packages/numpy/(_core|core)/include", numpy.get_include(), new)
    if new != old:
        path.write_text(new)
PY
}

# Compiled aside and copied in whole: a failure leaves what was there, and no file of a message that is gone stays.
install_interfaces() {
  local package
  for package in "${sources[@]##*/}"; do
    rm -rf "$site/$package" "$site/$package"-*.egg-info "$venv/share/$package" "$venv/include/$package" "$venv/lib/lib${package}__"*.so
  done
  cp -a --remove-destination .vipa/install/lib .vipa/install/share .vipa/install/include "$venv/"
}

# An old build folder serves only the same files against the same wheels.
built_from=$({ grep -E '^(ros-|numpy|colcon-|empy|lark)' requirements.lock; find "${sources[@]}" -type f | sort; } | sha256sum)
interfaces=$({ digest "${sources[@]}" scripts/python_interfaces.cmake; echo "$built_from"; } | sha256sum)
if ! stamped interfaces "$interfaces"; then
  unstamp interfaces
  say "interface packages: ${sources[*]}"
  stamped built_from "$built_from" || rm -rf .vipa/build
  stamp built_from "$built_from"
  rm -rf .vipa/install
  patch_targets
  # From .vipa, and without the user's defaults: colcon_defaults.yaml is for the Jazzy world.
  (
    cd .vipa
    export PATH="$venv/bin:$PATH" LD_LIBRARY_PATH="$venv/lib" _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
    export AMENT_PREFIX_PATH="$venv" CMAKE_PREFIX_PATH="$venv" COLCON_DEFAULTS_FILE=/dev/null
    export MAKEFLAGS="-j$(nproc)" # colcon's own choice waits for the machine to be idle
    "$venv/bin/colcon" --log-base log build --base-paths "${sources[@]/#/$root/}" \
      --build-base build --install-base install --merge-install --event-handlers console_stderr- \
      --cmake-args -DPython3_EXECUTABLE="$python" -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release \
      -DCMAKE_PROJECT_INCLUDE="$root/scripts/python_interfaces.cmake" --no-warn-unused-cli
  ) > "$log" 2>&1 < /dev/null || {
    cat .vipa/log/latest_build/*/stderr.log 2> /dev/null | head -n 20 | grep . >&2 || tail -n 20 "$log" >&2
    fail "the interface packages did not compile; the whole output is in .vipa/log/latest_build"
  }
  install_interfaces
  stamp interfaces "$interfaces"
fi

# --- this project ------------------------------------------------------------------------------------------------------
project=$(digest setup.py setup.cfg scripts/wheels_env.py)
if ! stamped project "$project"; then
  unstamp project
  say "the vipa command"
  pip_install --no-deps --no-build-isolation --editable .
  cp scripts/wheels_env.py "$site/_vipa_wheels_env.py"
  echo 'import _vipa_wheels_env' > "$site/_vipa_wheels_env.pth"
  stamp project "$project"
fi

# --- training ----------------------------------------------------------------------------------------------------------
if $train; then
  training=$(digest requirements-train.lock)
  if ! stamped train "$training"; then
    unstamp train
    say "training: torch and $(grep -c '^[a-z]' requirements-train.lock) more (large; minutes)"
    pip_install -r requirements-train.lock
    stamp train "$training"
  fi
fi

say "ready ($SECONDS s)"
