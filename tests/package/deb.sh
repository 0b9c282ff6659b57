#!/bin/bash
# SPDX-License-Identifier: MIT
# The Debian packages: what they hold, what they depend on, and that programs in C and C++ compile, run and link statically with what was unpacked
# from them into an empty folder.
set -eu
fail() { echo "deb: $*" >&2; exit 1; }
if [ -z "${WEIR_LIBRARY:-}" ] || [ -z "${WEIR:-}" ] || ! command -v dpkg-shlibdeps >/dev/null || ! command -v file >/dev/null; then
    echo "skipped: this build has no shared libraries or no command, or there is no dpkg-shlibdeps or no file (Debian: dpkg-dev, file)"
    exit 77
fi
consumer=$WEIR_SOURCE_DIR/tests/package/consumer
rm -rf packages root && mkdir root
cpack -G DEB --config "$WEIR_BUILD_DIR/CPackConfig.cmake" -B "$PWD/packages" >cpack.log 2>&1 || fail "$(cat cpack.log)"
version=$("$WEIR" --version | sed 's/^weir //')
library=libweir${version%.*}
for name in $library libweir-dev weir; do
    package=$(echo "packages/${name}_${version}"_*.deb)
    [ -f "$package" ] || fail "there is no package $name of version $version"
    dpkg-deb -x "$package" root
    dpkg-deb -f "$package" Depends >"$name.depends"
done

# depends PACKAGE NAMES: what it needs is just that
depends() {
    found=$(sed 's/([^)]*)//g; s/[ ,]\+/ /g; s/ $//' "$1.depends")
    [ "$found" = "$2" ] || fail "$1 depends on: $found; not on: $2"
}
depends "$library" "libc6 libjansson4"
depends libweir-dev "$library libjansson-dev libnanopb-dev"
depends weir "libc6 libcsv3 libjansson4 libpthreadpool0"

for file in bin/weir include/weir.h "share/doc/$library/copyright" share/doc/libweir-dev/changelog.gz share/doc/weir/copyright; do
    [ -f "root/usr/$file" ] || fail "no package has usr/$file"
done
if command -v scdoc >/dev/null; then
    gzip -t root/usr/share/man/man1/weir.1.gz root/usr/share/man/man1/weir-train.1.gz
fi
[ -z "$(find root -type f ! -path 'root/usr/*')" ] || fail "a package has files outside of /usr"
root/usr/bin/weir --version | grep -qx "weir $version" || fail "the packaged command does not run"

lib=$(dirname "$(find "$PWD/root" -name libweir.so)")
export LD_LIBRARY_PATH="$lib" PKG_CONFIG_PATH="$lib/pkgconfig"
cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$consumer/consumer.c" $(pkg-config --cflags --libs weir-format weir) -o shared
c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror "$consumer/consumer.cc" $(pkg-config --cflags --libs weir) -o shared-cc
cc -std=c11 "$consumer/consumer.c" $(pkg-config --cflags weir-format) "$lib/libweir-format.a" "$lib/libweir.a" $(pkg-config --libs jansson) \
    -lprotobuf-nanopb -lm -o static
./shared model.weir
./shared-cc
./static model.weir
cmake -S "$consumer" -B cmake-build -DCMAKE_PREFIX_PATH="$PWD/root/usr" >cmake.log 2>&1 && cmake --build cmake-build >>cmake.log 2>&1 || fail "$(cat cmake.log)"
cmake-build/consumer-c model.weir
echo "deb: $(ls packages/*.deb | wc -l) packages of version $version, $(du -ch packages/*.deb | tail -n 1 | cut -f 1)"
rm -rf packages root
