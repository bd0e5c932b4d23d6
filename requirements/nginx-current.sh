#!/bin/sh
# requirements/nginx-current.sh: have the newest NGINX of the distribution beside the one that is
# installed, for tests: var/servers/nginx-current/nginx, with the libraries that it was built for. apt
# fetches it and checks its signatures as ever, by settings of its own: nothing of this machine changes.
set -eu
cd "$(dirname "$0")/.."
place=$PWD/var/servers/nginx-current

if [ -x "$place/nginx" ] && "$place/nginx" -v >/dev/null 2>&1; then
    exit 0
fi

give_up() {
    echo "No current NGINX: $1." >&2
    echo "What tests on one is skipped. Have it as $place/nginx," >&2
    echo "a link will do, or run requirements/nginx-current.sh again." >&2
    exit 1
}

for tool in apt-get apt-cache dpkg-deb; do
    command -v $tool >/dev/null || give_up "there is no $tool here, so this is no Debian or Ubuntu"
done
ID= VERSION_CODENAME=
. /etc/os-release
case $ID in
debian) suite=sid components=main ;;
ubuntu) suite=devel components="main universe" ;;
*) give_up "who calls itself '$ID' has none that we know how to get" ;;
esac
signed=
for key in "/usr/share/keyrings/$ID-archive-keyring".*; do
    [ ! -r "$key" ] || signed=$key
done
[ -n "$signed" ] || give_up "there is no $ID-archive-keyring in /usr/share/keyrings"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs" \
    "$work/apt.conf.d" "$work/preferences.d" "$work/sources.list.d"
: >"$work/status"
# Whoever is root lets _apt do what comes from outside.
chmod 755 "$work"
[ "$(id -u)" != 0 ] || chown -R _apt "$work/lists" "$work/cache" "$work/debs" 2>/dev/null || :

# From where this machine has its own packages; a stranger's would not be signed by that key.
ours=$(apt-get update --print-uris | sort -u | sed -nE \
    "s#^'(.*)dists/($VERSION_CODENAME|(old)?stable|testing|unstable|sid|devel)/InRelease' .*#\1#p")
[ -n "$ours" ] || give_up "apt knows no place that has $ID's packages"

# How the world is reached stays as it is; what else is done whenever apt has done something is not.
(umask 077 && apt-config dump >"$work/all" && {
    grep -E '^Acquire::(https?::|Check-|ForceIPv)' "$work/all" || :
    cat <<END
Dir::Etc "$work";
Dir::State "$work";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Dir::Cache::pkgcache "packages";
Dir::Cache::srcpkgcache "sources";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
END
} >"$work/apt.conf")
export APT_CONFIG="$work/apt.conf"
found=
for uri in $ours; do
    cat >"$work/sources.list.d/current.sources" <<-END
	Types: deb
	URIs: $uri
	Suites: $suite
	Components: $components
	Signed-By: $signed
	END
    if apt-get -qq update >"$work/said" 2>&1 && apt-cache show nginx >/dev/null 2>&1; then
        found=yes
        break
    fi
done
[ -n "$found" ] || give_up "apt has not got the packages of $ID's $suite: $(cat "$work/said")"

# NGINX, what tells it where its libraries are, and the libraries of both; no more of the system.
packages="nginx patchelf"
while :; do
    # shellcheck disable=SC2086  # a list of words
    more=$(apt-cache depends $packages | sed -nE 's/^ *(Pre)?Depends: (z?lib[^ :]*)$/\2/p' |
        grep -v gconv | sort -u)
    more=$(printf '%s\n' nginx patchelf $more)
    [ "$more" != "$packages" ] || break
    packages=$more
done
# shellcheck disable=SC2086  # a list of words
(cd "$work/debs" && apt-get -qq download $packages) >"$work/said" 2>&1 ||
    give_up "apt has not got its packages: $(cat "$work/said")"

rm -rf "$place"
mkdir -p "$place"
for package in "$work"/debs/*.deb; do
    dpkg-deb -x "$package" "$place" || give_up "${package##*/} can't be unpacked"
done
rm -rf "$place/usr/share" "$place/etc" "$place/var"
loader=$(find "$place" -type f -name 'ld-linux*.so.*')
libraries=$(dirname "$loader")
"$loader" --library-path "$libraries" "$place/usr/bin/patchelf" --set-interpreter "$loader" \
    --force-rpath --set-rpath "$libraries" --output "$place/nginx" "$place/usr/sbin/nginx" ||
    give_up "its libraries are not where they were looked for"
said=$("$place/nginx" -v 2>&1) || give_up "it can't be run: $said"
echo "Beside the NGINX that is installed, for tests: ${said#nginx version: }"
