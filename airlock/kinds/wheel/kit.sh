#!/bin/sh
# @ABOUT@
#
# Before anything else, compare `sha256sum` of this file with the digest that was read to you. Then:
#     sh THIS_FILE [--into DIR] [--python PATH]@MORE@
# puts airlock into DIR (/opt/airlock), which then has DIR/current/bin/airlock.@THEN@
# It asks no network. What it holds: tail -c +8193 THIS_FILE | tar -tv
{ # read whole before any of it is run: of a file that breaks off here nothing is
set -eu
umask 022
digest=@DIGEST@       # of everything behind this script
version=@PYTHON@
machine=@MACHINE@
program=@PROGRAM@     # of the Python that is carried, inside its archive; empty where there is none
archive=@ARCHIVE@
carried=@CARRIED@     # the digest of that archive
bundle=@BUNDLE@
kit=@KIT@
into=/opt/airlock
python=
self=$0

stop() { # exit code, message, hint
    printf 'error: %s\n' "$2" >&2
    [ -z "${3-}" ] || printf 'hint: %s\n' "$3" >&2
    exit "$1"
}
usage() {
    sed -n '2,8s/^# \{0,1\}//p' "$self"
    exit "$1"
}
payload() { tail -c +8193 "$self"; }
durable() { sync -f "$into" 2>/dev/null || sync; } # before anything says that it is there: the power may go
sum() { if command -v sha256sum >/dev/null 2>&1; then sha256sum; else busybox sha256sum; fi | cut -c 1-64; }

# Our own options; with a bundle, every other one is for `airlock install`.
count=$#
while [ "$count" -gt 0 ]; do
    word=$1
    shift
    count=$((count - 1))
    case $word in
    --into | --python)
        [ "$count" -gt 0 ] || stop 2 "$self: $word: expected a value after it, found nothing"
        if [ "$word" = --into ]; then into=$1; else python=$1; fi
        shift
        count=$((count - 1)) ;;
    -h | --help) usage 0 ;;
    *) [ -n "$bundle" ] || stop 2 "$self: no such option: '$word'" "see \`sh $self --help\`"
        set -- "$@" "$word" ;;
    esac
done

[ "$(uname -s) $(uname -m)" = "Linux $machine" ] ||
    stop 6 "$self: not for this machine: expected Linux $machine, found $(uname -s) $(uname -m)"
found=$(payload | sum)
[ "$found" = "$digest" ] || stop 5 "$self: damaged: expected sha256 $digest, found $found" "copy it again"

mkdir -p "$into/kits" || stop 6 "$into: cannot be made" "choose another place with --into DIR"
into=$(cd "$into" && pwd -P)
home=$into/kits/$kit
stage=$home/stage

# What airlock and most applications import; Debian's python3-minimal lacks half of it.
parts='import asyncio, concurrent.futures, ctypes, dataclasses, decimal, json, lzma, shutil, ssl, tarfile, zipfile'
ask='import os, sys
print("%d.%d" % sys.version_info[:2])
base = os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2])
print(base if sys.prefix != sys.base_prefix or not sys.executable else os.path.abspath(sys.executable))
print(sys.version.split()[0])'

fits() { # whether it is a Python of the right version with its whole standard library; sets `base` and `release`
    answer=$("$1" -I -c "$ask" 2>&1) || { why="does not run: $(printf '%s\n' "$answer" | tail -n 1)"; return 1; }
    [ "$(printf '%s\n' "$answer" | sed -n 1p)" = "$version" ] || { why="is another version"; return 1; }
    lacks=$("$1" -I -W ignore -c "$parts" 2>&1) ||
        { why="lacks a part of its standard library: $(printf '%s\n' "$lacks" | tail -n 1)"; return 1; }
    base=$(printf '%s\n' "$answer" | sed -n 2p)
    release=$(printf '%s\n' "$answer" | sed -n 3p)
}
choose() {
    if [ -n "$python" ]; then
        fits "$python" || stop 6 "$python: $why: expected Python $version"
        return
    fi
    if [ -n "$program" ]; then
        fits "$into/python/$carried/$program" || stop 6 "the Python that is carried: $why: expected Python $version"
        return
    fi
    said=
    for candidate in "python$version" python3; do
        path=$(command -v "$candidate") || continue
        path=$(readlink -f "$path")
        case $said in *"; $path "*) continue ;; esac
        fits "$path" && return
        said="$said; $path $why"
    done
    stop 6 "$self: no Python $version that it could run with: ${said#; }" \
        "give one with --python PATH, or make the kit with one: \`airlock kit --python ARCHIVE\`"
}

if ! [ -e "$home/complete" ]; then
    trap 'rm -rf "$home"' EXIT
    rm -rf "$home"
    mkdir -p "$stage" "$home/bin" "$home/lib/python$version/site-packages"
    payload | tar -xof - -C "$stage"
    if [ -n "$program" ] && ! [ -e "$into/python/$carried/complete" ]; then
        rm -rf "$into/python/$carried"
        mkdir -p "$into/python/$carried"
        tar -xof "$stage/$archive" -C "$into/python/$carried"
        durable
        : >"$into/python/$carried/complete"
    fi
    choose
    # A virtual environment (PEP 405), for which nothing but links and a file is needed.
    ln -s "$base" "$home/bin/python"
    ln -s python "$home/bin/python3"
    ln -s python "$home/bin/python$version"
    printf 'home = %s\ninclude-system-site-packages = false\nversion = %s\n' "${base%/*}" "$release" >"$home/pyvenv.cfg"
    # PyPA's installer, straight out of its own wheel.
    "$home/bin/python" -I -c 'import runpy, sys; sys.path.insert(0, sys.argv[1]); del sys.argv[1]
runpy.run_module("installer", run_name="__main__", alter_sys=True)' \
        "$stage"/wheels/installer-*.whl --compile-bytecode 0 "$stage"/wheels/*.whl >/dev/null
    rm -rf "$stage"
    lacks=$("$home/bin/python" -I -W ignore -c 'import airlock.airgapped.install, airlock.airgapped.update' 2>&1) ||
        stop 6 "$base: airlock does not run with it: $(printf '%s\n' "$lacks" | tail -n 1)"
    durable
    : >"$home/complete"
    trap - EXIT
fi
ln -sfn "kits/$kit" "$into/.current.$$"
mv -T "$into/.current.$$" "$into/current"
durable

if [ -z "$bundle" ]; then
    echo "$into/current/bin/airlock"
    exit 0
fi
[ -z "$python" ] || set -- "$@" --python "$python"
[ -n "$python" ] || [ -z "$program" ] || set -- "$@" --python "$into/python/$carried/$program"
exec "$into/current/bin/airlock" install "$self" "$@"
}
