#!/usr/bin/env bash
# Installs what Shoal needs on Debian 12 when it is missing, then npm's packages, then builds. Says each thing it installs and why.
#   install.sh           what running needs
#   install.sh test      and what the tests need
#   install.sh peer      and a real dockerd, for comparison
#   install.sh bench     what running needs, and etcd, for comparison (npm run bench:raft)
set -euo pipefail
cd "$(dirname "$0")/../.."
level=${1:-run}

declare -A why=(
  [crun]='starts containers (OCI runtime)'
  [runc]='starts containers where crun cannot (OCI runtime)'
  [libnftables1]='published ports, address translation, virtual IPs'
  [nftables]='shows the rules to people (nft list ruleset)'
  [busybox-static]='the root file system of the example images'
  [iproute2]='network namespaces of the lab'
  [curl]='fetches the example page'
  [xz-utils]='unpacks xz image layers'
  [zstd]='unpacks zstd image layers'
  [gcc]='compiles the container monitor'
  [libc6-dev]='compiles the container monitor'
  [make]='builds the container monitor'
  [ca-certificates]='trust for registries'
  [procps]='process list inside containers (docker top)'
  [docker.io]='the stock docker CLI that the tests drive, and a real dockerd to compare with'
  [docker-compose]='Compose 1.29 and docker-py, which the long tests drive'
  [dnsutils]='asks the name server in tests'
  [docker-registry]='the registry that tests push to and pull from'
  [etcd-server]='what consensus is measured beside'
  [openssl]='makes the certificate of the etcd that consensus is measured beside'
  [skopeo]='reads our images in tests, as one who knows only the specifications'
)
packages=(crun runc libnftables1 nftables busybox-static iproute2 curl xz-utils zstd gcc libc6-dev make ca-certificates procps)
[ "$level" = bench ] && packages+=(etcd-server openssl)
[ "$level" = run ] || [ "$level" = bench ] || packages+=(dnsutils docker-registry skopeo)
if [ "$level" = peer ] || { [ "$level" = test ] && ! command -v docker >/dev/null; }; then packages+=(docker.io); fi

[ "$level" != peer ] || packages+=(docker-compose)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || { echo "These Debian packages are missing: ${missing[*]}. Run this as root, or install them yourself." >&2; exit 1; }
  for package in "${missing[@]}"; do echo "installing $package: ${why[$package]}"; done
  # docker.io and etcd-server must not start daemons of their own on this machine.
  guard=/usr/sbin/policy-rc.d
  if [ ! -e "$guard" ]; then printf '#!/bin/sh\nexit 101\n' >"$guard"; chmod +x "$guard"; trap 'rm -f "$guard"' EXIT; fi
  log=$(mktemp)
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 ||
    { tail -20 "$log" >&2; echo "apt-get could not install: ${missing[*]}" >&2; exit 1; }
  rm -f "$log"
  # Debian enables it for the next boot; here it is only a program.
  case " ${missing[*]} " in *' etcd-server '*) systemctl --quiet disable etcd >/dev/null 2>&1 || true ;; esac
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo 'installing npm packages'
  # Without install scripts: what we use comes prebuilt, and what tests' packages would compile is optional.
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
fi
npm run --silent build
