#!/bin/sh
# Builds and tests the images as far as this machine can, for CI: `make images-test` where it can, else one line in capitals that
# says what is left out and why. Fails only for a Dockerfile or an image that is broken, never for what a machine lacks.
#
#   BASE_IMAGE  what the images are made on; default: that of the Dockerfiles when its registry answers, else one made here
#               before or now from Debian packages (scripts/base_image.sh, 2 minutes)
set -eu

BASE_SECONDS=180
OWN_BASE=localhost/fairlead-base:bookworm
# Debian's certificates, and those of a private authority on this machine: builds get their libraries as its users do.
CERTIFICATES=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
INSIDE=/etc/ssl/certs/ca-certificates.crt

leave_out() {
    printf '\nIMAGES NOT BUILT, NOT TESTED: %s\n\n' "$*" >&2
    exit 0
}

has_image() {
    case $builder in
    buildah) buildah inspect --type image "$1" >/dev/null 2>&1 ;;
    *) "$builder" image inspect "$1" >/dev/null 2>&1 ;;
    esac
}

find_base() {
    default=$(sed -n 's/^ARG BASE_IMAGE=//p' Dockerfile.operator)
    for candidate in ${BASE_IMAGE:-$default $OWN_BASE}; do
        if has_image "$candidate" || timeout 60 "$builder" pull "$candidate" >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    [ -z "${BASE_IMAGE:-}" ] && [ "$builder" = buildah ] && [ "$(id -u)" = 0 ] || return 1
    scripts/tool.sh debootstrap debootstrap && timeout "$BASE_SECONDS" scripts/base_image.sh
}

# What a build does first: get uv from the package index, with the network and the certificates that builds have.
reaches_index() {
    folder=$(mktemp -d)
    printf 'ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN ["python3", "-m", "venv", "/uv"]\n%s\n' \
        'RUN ["/uv/bin/python", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", "/tmp", "uv"]' >"$folder/Dockerfile"
    # shellcheck disable=SC2086  # split into arguments
    timeout 90 "$builder" build $arguments --build-arg "BASE_IMAGE=$base" "$folder" >"$folder/log" 2>&1 && code=0 || code=$?
    [ "$code" = 0 ] || tail -n 5 "$folder/log" >&2
    rm -rf "$folder"
    return "$code"
}

cd "$(dirname "$0")/.."
scripts/images.sh --builder >/dev/null 2>&1 || scripts/tool.sh buildah buildah ||
    leave_out 'there is no docker, podman or buildah that works, and buildah could not be installed'
builder=$(scripts/images.sh --builder) || leave_out 'no builder works here'
arguments=
if [ "$builder" != docker ] && [ -f "$CERTIFICATES" ]; then
    arguments="--volume $CERTIFICATES:$INSIDE:ro"
fi
if [ "$builder" = buildah ]; then
    export BUILDAH_ISOLATION="${BUILDAH_ISOLATION:-chroot}" # needs no right to make namespaces
fi
base=$(find_base) || leave_out "no base image: its registry does not answer, and none could be made from Debian packages"
reaches_index || leave_out "builds with $builder on $base do not run here, or do not reach the package index (see above)"
make images-test BASE_IMAGE="$base" ARGS="$arguments"
