#!/usr/bin/env bash
# Installs libtorch 2.1.2 (CPU) for this user and prints the environment for cgo.
#
#   scripts/libtorch.sh            install; returns at once when it is there
#   scripts/libtorch.sh env        print the environment, for eval "$(... env)"
#   scripts/libtorch.sh exec CMD   run CMD in that environment
#   scripts/libtorch.sh verify     check every installed library against its sum
#   scripts/libtorch.sh where      print the folder in use
#
# LIBTORCH=/path uses a libtorch 2.1.x that is already there (lib/ and include/).
#
# It lives in the user's cache directory, one for all clones: the flags hold its
# paths, and the Go build cache keeps the slow compile of gotch only while they
# stay the same. A second run waits for the first. A killed run is resumed, and
# the folder gets its name only when it is complete.
set -euo pipefail

readonly version=2.1.2
readonly here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/saspart
readonly home=$cache/libtorch-$version
readonly work=$home.partial
# gotch names these at link time on every machine, with CUDA or without.
readonly cuda="cuda cudart cublas cudnn caffe2_nvrtc nvrtc-builtins nvrtc nvToolsExt c10_cuda torch_cuda"

fail() { echo "libtorch: $*" >&2; exit 1; }
note() { echo "libtorch: $*" >&2; }

need() { # command, how to get it
	command -v "$1" >/dev/null || fail "$1 is missing; $2, or set LIBTORCH to a libtorch $version"
}

matches() { # FILE: is it what libtorch.sha256 says?
	[ -f "$1" ] || return 1
	local want
	want=$(awk -v name="$(basename "$1")" '$2 == name { print $1 }' "$here/libtorch.sha256")
	[ -n "$want" ] || fail "$(basename "$1") has no sum in $here/libtorch.sha256"
	[ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$want" ]
}

fetch() { # FILE COMMAND...: run COMMAND until FILE is whole, at most twice
	local file=$1
	shift
	matches "$file" && return
	for _ in 1 2; do
		rm -f "$file"
		note "fetching $(basename "$file")"
		"$@" >&2 || fail "'$*' failed; check the network and run again: it resumes from here"
		matches "$file" && return
	done
	fail "$file does not have the sum in $here/libtorch.sha256; what the registry sent is not what was tested"
}

maven() { # GROUP ARTIFACT VERSION: the path the Linux jar gets
	echo "$work/m2/$(tr . / <<<"$1")/$2/$3/$2-$3-linux-x86_64.jar"
}

get_maven() { # GROUP ARTIFACT VERSION
	fetch "$(maven "$@")" mvn -q -B "-Dmaven.repo.local=$work/m2" dependency:get \
		"-Dartifact=$1:$2:$3:jar:linux-x86_64" -Dtransitive=false
}

unpack() { # ARCHIVE PREFIX TARGET: the files below PREFIX, or those right in it when it ends in /*
	python3 - "$@" <<'PY'
import os, shutil, sys, zipfile
archive, prefix, target = sys.argv[1:]
flat = prefix.endswith("/*")
prefix = prefix.rstrip("*").rstrip("/") + "/"
with zipfile.ZipFile(archive) as z:
    for info in z.infolist():
        name = info.filename[len(prefix):]
        if info.is_dir() or not info.filename.startswith(prefix) or flat and not (".so" in name and "/" not in name):
            continue
        path = os.path.join(target, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with z.open(info) as src, open(path, "wb") as dst:
            shutil.copyfileobj(src, dst)
PY
}

stubs() { # DIR: empty archives for the libraries that a CPU does not have
	mkdir -p "$1"
	for l in $cuda; do
		[ -f "$1/lib$l.a" ] || { ar rcs "$1/lib$l.a.$$" && mv "$1/lib$l.a.$$" "$1/lib$l.a"; }
	done
}

install() {
	[ "$(uname -sm)" = "Linux x86_64" ] ||
		fail "prebuilt libraries are for Linux x86_64, this is $(uname -sm); set LIBTORCH to a libtorch $version built for it"
	need ar "install binutils"
	need mvn "install Maven"
	need python3 "install Python 3"
	python3 -m pip --version >/dev/null 2>&1 || fail "pip is missing; install it for $(command -v python3)"
	mkdir -p "$cache" || fail "can't write to $cache; set XDG_CACHE_HOME to a folder of yours"
	exec 9>"$home.lock"
	flock -n 9 || { note "another run is installing; waiting for it"; flock 9; }
	[ -d "$home" ] && return
	mkdir -p "$work"
	note "installing libtorch $version into $home (about 175 MB to fetch, once)"

	get_maven org.bytedeco pytorch $version-1.5.10
	get_maven org.bytedeco openblas 0.3.26-1.5.10
	# The headers are the same on every platform; the ARM wheel is the small one.
	local wheel=$work/torch-$version-cp311-cp311-manylinux2014_aarch64.whl
	fetch "$wheel" python3 -m pip download -q --no-deps --only-binary=:all: --platform manylinux2014_aarch64 \
		--python-version 3.11 -d "$work" torch==$version

	rm -rf "$work/tree"
	unpack "$(maven org.bytedeco pytorch $version-1.5.10)" 'org/bytedeco/pytorch/linux-x86_64/*' "$work/tree/lib"
	unpack "$(maven org.bytedeco openblas 0.3.26-1.5.10)" 'org/bytedeco/openblas/linux-x86_64/*' "$work/tree/lib"
	rm -f "$work/tree/lib/"{libjni*.so,libgcc_s.so.1} # the Java side of the artifacts; every system has its own libgcc
	unpack "$wheel" torch/include "$work/tree/include"
	stubs "$work/tree/stubs"
	(cd "$work/tree" && sha256sum lib/* >SHA256SUMS)
	sync "$work/tree"/* 2>/dev/null || true
	mv "$work/tree" "$home"
	rm -rf "$work"
	note "installed"
}

# use prints the environment: the flags must not vary from call to call.
use() {
	local torch=$home extra=
	if [ -n "${LIBTORCH:-}" ]; then
		torch=$LIBTORCH
		[ -f "$torch/lib/libtorch_cpu.so" ] || fail "LIBTORCH=$torch has no lib/libtorch_cpu.so; point it at the folder that holds lib/ and include/"
		local header=$torch/include/torch/csrc/api/include/torch/version.h found
		[ -f "$header" ] || fail "LIBTORCH=$torch has no ${header#"$torch"/}; point it at a libtorch with headers"
		found=$(awk '$2 == "TORCH_VERSION_MAJOR" { major = $3 } $2 == "TORCH_VERSION_MINOR" { print major "." $3 }' "$header")
		[ "$found" = "${version%.*}" ] || fail "LIBTORCH=$torch is version $found; it must be ${version%.*}"
		# libtorch comes in two C++ ABIs; the headers must be read in the library's.
		nm -D --defined-only "$torch/lib/libc10.so" | grep __cxx11 >/dev/null || extra=" -D_GLIBCXX_USE_CXX11_ABI=0"
		stubs "$cache/stubs"
		local stubs=$cache/stubs
	else
		[ -d "$home" ] || fail "not installed in $home; run 'make setup', or set LIBTORCH to a libtorch $version"
		local stubs=$home/stubs
	fi
	printf 'export CGO_CXXFLAGS="-O2 -I%s/include -I%s/include/torch/csrc/api/include%s"\n' "$torch" "$torch" "$extra"
	printf 'export CGO_LDFLAGS="-L%s/lib -L%s -Wl,-rpath,%s/lib -Wl,-rpath-link,%s/lib"\n' "$torch" "$stubs" "$torch" "$torch"
}

case ${1:-install} in
install)
	if [ -n "${LIBTORCH:-}" ]; then use >/dev/null; elif [ ! -d "$home" ]; then install; fi
	;;
env) use ;;
exec)
	shift
	environment=$(use)
	eval "$environment"
	exec "$@"
	;;
where) echo "${LIBTORCH:-$home}" ;;
verify)
	[ -z "${LIBTORCH:-}" ] || fail "LIBTORCH=$LIBTORCH is yours; only an installed libtorch has sums to verify"
	[ -d "$home" ] || fail "not installed in $home; run 'make setup'"
	(cd "$home" && sha256sum --quiet -c SHA256SUMS) || fail "$home is damaged; remove it and run 'make setup'"
	;;
*) fail "unknown command $1; it is install, env, exec, where or verify" ;;
esac
