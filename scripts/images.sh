#!/bin/sh
# Builds both images from their Dockerfiles, with docker, podman or buildah, whichever works here. Arguments go to the
# builder's build command as they are. `--builder` as the only argument prints the builder and builds nothing.
#
#   BUILDER     docker, podman or buildah; default: the first of them that works
#   BASE_IMAGE  what both images are made on; default: that of the Dockerfiles
#   VERSION     the tag; default: the version of pyproject.toml
set -eu

works() {
    case $1 in
    docker | podman) "$1" info >/dev/null 2>&1 ;; # a client without its daemon builds nothing
    *) "$1" --version >/dev/null 2>&1 ;;
    esac
}

find_builder() {
    for candidate in ${BUILDER:-docker podman buildah}; do
        if works "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    printf 'images: no builder works here (tried %s). Install docker, podman or buildah (Debian, Ubuntu: apt-get install buildah), or start the docker daemon\n' \
        "${BUILDER:-docker podman buildah}" >&2
    return 1
}

build() {
    name=$1
    shift
    printf 'images: building %s:%s with %s\n' "$name" "$version" "$builder" >&2
    "$builder" build "$@" --file "Dockerfile.${name#fairlead-}" --tag "$name:$version" \
        --build-arg "VERSION=$version" --build-arg "REVISION=$revision" ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} .
}

cd "$(dirname "$0")/.."
builder=$(find_builder)
if [ "$*" = --builder ]; then
    printf '%s\n' "$builder"
    exit
fi
version=${VERSION:-$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
build fairlead-workload "$@"
build fairlead-operator "$@"
