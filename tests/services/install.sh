#!/usr/bin/env bash
# Install what `make test-services` needs on Debian, as far as this machine allows it. What
# cannot be installed is named; the tests that need it are then skipped and counted as skipped.
set -uo pipefail
cd "$(dirname "$0")/../.."
packages=(nginx-light postgresql-15 postgresql-15-postgis-3)
qgis=(python3-qgis gdal-bin)
slurm=(slurm-wlm munge)
missing=()
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=("${packages[0]}")
[ -x /usr/lib/postgresql/15/bin/initdb ] \
  && [ -f /usr/share/postgresql/15/extension/postgis.control ] || missing+=("${packages[@]:1}")
/usr/bin/python3 -c "import qgis.core" 2>/dev/null && command -v ogrinfo >/dev/null \
  || missing+=("${qgis[@]}")
command -v chromium >/dev/null || missing+=(chromium)
command -v slurmctld >/dev/null || missing+=("${slurm[@]}")
if [ ${#missing[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >/dev/null 2>&1
  apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null 2>&1 \
    || echo "services: could not install ${missing[*]}"
fi
if [ ! -x .venv-stac/bin/uvicorn ]; then
  python3 -m venv .venv-stac \
    && .venv-stac/bin/pip install -q -r tests/services/stac-requirements.txt 2>/dev/null \
    || { rm -rf .venv-stac; echo "services: could not install the STAC service"; }
fi
if [ ! -x .venv-validators/bin/rio ]; then
  # The GeoPackage validator runs beside Debian's GDAL, hence without its own.
  python3 -m venv .venv-validators \
    && .venv-validators/bin/pip install -q -r tests/services/validator-requirements.txt 2>/dev/null \
    && .venv-validators/bin/pip install -q --no-deps pdok-geopackage-validator==0.14.5 2>/dev/null \
    || { rm -rf .venv-validators; echo "services: could not install the validators"; }
fi
exit 0
