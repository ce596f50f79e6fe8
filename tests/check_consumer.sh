#!/bin/sh
# check_consumer.sh CMAKE SOURCE BUILD CUDA - what `cmake --install` puts down serves others.
#
# Installs BUILD into a folder with a blank in its name, moves that, and builds the README's
# example there in every way that docs/install.md names: by find_package and by pkg-config, with the
# shared and with the static library, in C11 and as C++11; then with cudrop as a folder of a
# project that has unity builds and -ffast-math; then installed into absolute folders, as Nix and
# Guix do. CUDA is 1 if BUILD has the CUDA backend. CC, CXX and CMAKE_GENERATOR are the
# environment's.
set -eu
cmake=$1 source=$2 build=$3 cuda=$4
unset DESTDIR LD_LIBRARY_PATH MAKEFLAGS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "$*"
  exit 1
}

"$cmake" --install "$build" --prefix "$work/first place" >"$work/log" || fail "$(cat "$work/log")"
prefix="$work/second place"
mv "$work/first place" "$prefix"
libraries=$(dirname "$(find "$prefix" -name libcudrop.a)")
pc=$(find "$prefix" -name cudrop.pc)

# ---- what is installed --------------------------------------------------------------------

ls "$source/include/cudrop" >"$work/written"
ls "$prefix/include/cudrop" >"$work/installed"
diff "$work/written" "$work/installed" || fail "the installed headers are not include/cudrop"
[ -s "$prefix/share/man/man1/cudrop.1" ] || fail "the manual page is not installed"
cmp -s "$source/LICENSE" "$prefix/share/doc/cudrop/LICENSE" || fail "the licence is not installed"
grep -rIlF -e "$work" -e "$source" -e "$build" "$prefix" && fail "names folders of the build"

version() { sed -n "s/^#define CUDROP_VERSION_$1 //p" "$source/include/cudrop/cudrop.h"; }
major=$(version MAJOR) minor=$(version MINOR)
soversion=$major # until 1.0 a minor version may break a caller
[ "$major" != 0 ] || soversion=0.$minor
soname=$(readelf -d "$libraries/libcudrop.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ "$soname" = "libcudrop.so.$soversion" ] || fail "the SONAME is '$soname' at version $major.$minor"
"$prefix/bin/cudrop" verify || fail "the installed program does not run"

# ---- who uses it --------------------------------------------------------------------------

awk '/\$ build\/first$/ { getline; sub(/^ */, ""); print; exit }' "$source/README.md" >"$work/said"
[ -s "$work/said" ] || fail "the README does not say what the example prints"

# run FOLDER LIBRARY...: the examples there print that, and load libcudrop.so if they should.
run() {
  folder=$1
  shift
  for library; do
    needs="$soname"
    [ "$library" != static ] || needs=
    for language in c cxx; do
      program=$folder/first_${library}_$language
      "$program" >"$work/printed" || fail "$program does not run"
      diff "$work/said" "$work/printed" || fail "$program prints something else"
      needed=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(libcudrop.*\)\]/\1/p')
      [ "$needed" = "$needs" ] || fail "$program needs '$needed' and not '$needs'"
    done
  done
}

# configure FOLDER OPTION...: tests/consumer, with the package at hand.
configure() {
  folder=$1
  shift
  "$cmake" -S "$source/tests/consumer" -B "$folder" -DCMAKE_PREFIX_PATH="$prefix" "$@" \
    >"$work/log" 2>&1
}
build() { "$cmake" --build "$1" >"$work/log" 2>&1 || fail "$(cat "$work/log")"; }

configure "$work/package" -DCUDROP_REQUEST="$major.$minor;COMPONENTS;static" \
  -DCUDROP_LIBRARIES="cudrop;shared;static" || fail "$(cat "$work/log")"
build "$work/package"
run "$work/package" cudrop shared static

# Neither another major version nor, until 1.0, another minor one will do.
for other in 99 "$major.$((minor + 1))" 0.0; do
  configure "$work/other" -DCUDROP_REQUEST="$other" && fail "find_package(cudrop $other) succeeds"
  grep -q "requested version \"$other\"" "$work/log" || fail "$(cat "$work/log")"
done

if [ "$cuda" = 1 ]; then
  without_toolkit=-DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON
  configure "$work/bare" $without_toolkit -DCUDROP_LIBRARIES="cudrop;shared" ||
    fail "the shared library needs a toolkit: $(cat "$work/log")"
  build "$work/bare"
  run "$work/bare" cudrop shared
  configure "$work/asked" $without_toolkit -DCUDROP_REQUEST="COMPONENTS;static" &&
    fail "the static library is found without the toolkit that it needs"
  grep -q 'needs a CUDA toolkit' "$work/log" || fail "$(cat "$work/log")"
fi

mkdir "$work/make"
PKG_CONFIG_PATH=$(dirname "$pc") make -C "$work/make" -f "$source/tests/consumer/Makefile" \
  FIRST="$source/examples/first/first.c" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
(
  LD_LIBRARY_PATH=$libraries
  export LD_LIBRARY_PATH
  run "$work/make" shared static
)

# As a folder of the project: no tests, no examples, nothing to install but what is the project's.
# With CUDA it is generated alone, since to compile the kernels takes minutes.
as_folder() {
  configure "$work/folder" -DCUDROP_FOLDER="$source" -DCUDROP_CUDA=OFF \
    -DCUDROP_LIBRARIES="cudrop;shared;static" -DCMAKE_UNITY_BUILD=ON \
    -DCMAKE_C_FLAGS="-Ofast -ffast-math -funsafe-math-optimizations" "$@" || fail "$(cat "$work/log")"
}
as_folder
! grep -q 'Looking for a CUDA compiler' "$work/log" || fail "CUDROP_CUDA=OFF looks for CUDA"
grep -q "cudrop $major.$minor.*" "$work/log" && grep -q 'backends  *host$' "$work/log" ||
  fail "no summary: $(cat "$work/log")"
build "$work/folder"
run "$work/folder" cudrop shared static
"$work/folder/cudrop/cudrop" verify || fail "$(cat "$work/log")"
[ ! -e "$work/folder/cudrop/tests" ] || fail "the tests are built in another's project"
"$cmake" --install "$work/folder" --prefix "$work/others" >"$work/log"
[ ! -e "$work/others" ] || fail "cudrop is installed by another's project"
if [ "$cuda" = 1 ]; then
  configure "$work/folder_cuda" -DCUDROP_FOLDER="$source" -DCUDROP_CUDA=ON \
    -DCUDROP_LIBRARIES="cudrop;shared;static" || fail "$(cat "$work/log")"
fi

# ---- absolute folders ---------------------------------------------------------------------

# install_absolutely PREFIX OPTION...: what is in `folder`, where the options say.
install_absolutely() {
  as_folder -DCUDROP_INSTALL=ON -DCMAKE_INSTALL_PREFIX="$@"
  build "$work/folder"
  "$cmake" --install "$work/folder" >"$work/log" || fail "$(cat "$work/log")"
}
# finds_library PROGRAM FOLDER: it runs, and loads the library of that folder.
finds_library() {
  "$1" info >/dev/null || fail "$1 does not find its library: $(readelf -d "$1")"
  loaded=$(realpath "$(ldd "$1" | sed -n "s/.*$soname => \(.*\) (0x.*/\1/p")")
  [ "$(dirname "$loaded")" = "$2" ] || fail "$1 loads $loaded"
}

install_absolutely "$work/nix" -DCMAKE_INSTALL_LIBDIR="$work/nix/lib"
finds_library "$work/nix/bin/cudrop" "$work/nix/lib"

install_absolutely "$work/out" -DCMAKE_INSTALL_LIBDIR="$work/lib-out/lib" \
  -DCMAKE_INSTALL_BINDIR="$work/bin-out/bin"
finds_library "$work/bin-out/bin/cudrop" "$work/lib-out/lib"
prefix="$work/lib-out"
configure "$work/package_out" -DCUDROP_LIBRARIES="cudrop;shared;static" || fail "$(cat "$work/log")"
build "$work/package_out"
run "$work/package_out" cudrop shared static
mkdir "$work/make_out"
PKG_CONFIG_PATH="$work/lib-out/lib/pkgconfig" make -C "$work/make_out" \
  -f "$source/tests/consumer/Makefile" FIRST="$source/examples/first/first.c" >"$work/log" 2>&1 ||
  fail "$(cat "$work/log")"

# All in absolute folders of one prefix: it may be moved.
install_absolutely "$work/whole" -DCMAKE_INSTALL_LIBDIR="$work/whole/lib64" \
  -DCMAKE_INSTALL_BINDIR="$work/whole/libexec/bin"
mv "$work/whole" "$work/moved"
finds_library "$work/moved/libexec/bin/cudrop" "$work/moved/lib64"
