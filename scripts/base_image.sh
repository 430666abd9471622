#!/bin/sh
# Makes a base image from Debian packages, for machines that reach no image registry: Debian with Python, venv and CA
# certificates, about 180 MB. Needs root, debootstrap and buildah. Prints the image's name, for BASE_IMAGE of `make images`.
set -eu

NAME=localhost/fairlead-base:bookworm

for tool in debootstrap buildah; do
    command -v "$tool" >/dev/null || {
        printf 'base image: %s is not there (Debian, Ubuntu: apt-get install debootstrap buildah)\n' "$tool" >&2
        exit 1
    }
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$scratch/root" >&2
rm -rf "$scratch/root/var/cache/apt" "$scratch/root/var/lib/apt/lists"
tar -C "$scratch/root" -cf "$scratch/root.tar" .
container=$(buildah from scratch)
buildah add --quiet "$container" "$scratch/root.tar" / >&2
buildah config --cmd python3 --env PATH=/usr/local/bin:/usr/bin:/bin "$container" >&2
buildah commit --quiet --rm "$container" "$NAME" >&2
printf '%s\n' "$NAME"
