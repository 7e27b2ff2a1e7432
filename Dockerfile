# smalls as an image. A project's own image is this one plus its files:
#
#   FROM smalls
#   COPY models.py ./
#   COPY migrations ./migrations

ARG BASE_IMAGE=python:3.13-slim-trixie

# ---- build: a virtual environment with smalls and what it runs on, pinned by hash
FROM ${BASE_IMAGE} AS build

# One environment holds pip and the build tools; the other is shipped and holds neither.
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/smalls

COPY docker/requirements.lock docker/build.lock /src/docker/
RUN --mount=type=cache,target=/root/.cache/pip \
    /build/bin/pip install --quiet --require-hashes --requirement /src/docker/build.lock && \
    /build/bin/pip --python /opt/smalls/bin/python install --quiet --only-binary=:all: \
        --require-hashes --requirement /src/docker/requirements.lock

COPY pyproject.toml README.md LICENSE /src/
COPY smalls /src/smalls
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels /src && \
    /build/bin/pip --python /opt/smalls/bin/python install --quiet --no-deps --no-index /wheels/*.whl

# What is in it, as a bill of materials (CycloneDX) that scanners of images find by its name.
# Type stubs serve editors only. Byte-code that never looks at its source suits files that never change.
COPY docker/sbom.py /src/docker/
RUN /opt/smalls/bin/python /src/docker/sbom.py >/opt/smalls/sbom.cdx.json && \
    cd /opt/smalls/lib/python3*/site-packages && \
    find . -depth \( -name '*.pyi' -o -name '*-stubs' -o -name __pycache__ \) -exec rm -rf {} + && \
    find . -name 'INSTALLER' -delete && \
    python3 -m compileall -q --invalidation-mode unchecked-hash . && \
    rm -rf /opt/smalls/bin/[Aa]ctivate* /opt/smalls/include

COPY entrypoint.sh /opt/smalls/bin/
RUN chmod 0755 /opt/smalls/bin/entrypoint.sh


# ---- the image itself
FROM ${BASE_IMAGE}

COPY --from=build /opt/smalls /opt/smalls

# Nothing in the image can install: the base's own pip goes as well. /data is for an embedded
# database. Any numeric user of group 0 may write to /app and /data.
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/bin/pip* \
        /usr/lib/python3/dist-packages/pip* /usr/bin/pip* /usr/share/python-wheels \
        /usr/local/lib/python3*/ensurepip /usr/lib/python3*/ensurepip && \
    mkdir -p /app /data && chmod 2775 /app /data

# A first run shows that it works, and leaves byte-code of what smalls imports from the standard
# library, which the public base image has not and a read-only root could never keep.
RUN mkdir /warm && cd /warm && export PATH=/opt/smalls/bin:$PATH SMALLS_ENV=DEV && \
    smalls create first && smalls migrate && smalls --help >/dev/null && \
    python -c 'import encodings.idna, playhouse.migrate, psycopg2, pymysql' && \
    cd / && rm -rf /warm

ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=unknown
ARG BASE_IMAGE
LABEL org.opencontainers.image.title="smalls" \
      org.opencontainers.image.description="A database deployment step in a container, for Peewee" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"

ENV PATH=/opt/smalls/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    SMALLS_ENV=PROD

WORKDIR /app
USER 10001:0
ENTRYPOINT ["/opt/smalls/bin/entrypoint.sh"]
