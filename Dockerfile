# syntax=docker/dockerfile:1
# Two stages: the first one builds a virtual environment from the hash-locked requirements, the second holds only that.

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN python -m venv /opt/aggregator && python -m venv /opt/build
COPY requirements/build.txt requirements/run.txt requirements/
RUN /opt/build/bin/python -m pip install --quiet --require-hashes -r requirements/build.txt \
 && /opt/build/bin/python -m pip wheel --quiet --require-hashes --use-pep517 --no-build-isolation --no-deps \
        --wheel-dir /wheels -r requirements/run.txt \
 && /opt/aggregator/bin/python -m pip install --quiet --no-index --no-deps /wheels/*.whl
COPY pyproject.toml README.md LICENSE config.yaml ./
COPY aggregator aggregator
COPY templates templates
RUN /opt/build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/aggregator/bin/python -m pip install --quiet --no-index --no-deps /dist/*.whl \
 && /opt/aggregator/bin/python -m pip uninstall --quiet --yes pip setuptools
# C sources that some wheels carry along (50 MB in one of them) are of no use here. Compiled once: the root file system of the
# running container is read-only.
RUN find /opt/aggregator/lib -type f \( -name '*.c' -o -name '*.h' -o -name '*.pyx' \) -delete \
 && /opt/build/bin/python -m compileall -q -j 0 /opt/aggregator/lib

FROM python:3.11-slim-bookworm
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends tini >/dev/null \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir /data && chown 65532:65532 /data
COPY --from=build /opt/aggregator /opt/aggregator
# The program reads /data/config.yaml; while there is none it uses the one it was shipped with, with its paths under /data.
# Any key of it can be set as AGGREGATOR_<SECTION>_<KEY>.
ENV PATH=/opt/aggregator/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    AGGREGATOR_CONFIG=/data/config.yaml \
    AGGREGATOR_WEB_LISTEN=0.0.0.0:8000
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["/usr/bin/tini", "-s", "--", "aggregator"]
CMD ["run"]
