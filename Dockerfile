# The service: no tools, not root, nothing to write to. It needs a PostgreSQL of its own elsewhere (DATABASE_URL or
# DATABASE_URL_FILE); the one that the wheel can run is left out, since a container would lose its data.

FROM python:3.11.15-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY scripts/deploy/requirements.lock scripts/deploy/build.lock ./
# Nothing is compiled and nothing is chosen here: the locks name every file by its hash.
RUN python -m venv --without-pip /opt/referral \
 && pip --python /opt/referral/bin/python install --no-deps --require-hashes --only-binary=:all: -r requirements.lock \
 && pip install --no-deps --require-hashes --only-binary=:all: -r build.lock
COPY pyproject.toml README.md LICENSE ./
COPY referral ./referral
COPY fhir_profiles/package ./fhir_profiles/package
RUN python -m hatchling build --target wheel \
 && pip --python /opt/referral/bin/python install --no-deps dist/*.whl

FROM python:3.11.15-slim-trixie
LABEL org.opencontainers.image.title="referral" \
      org.opencontainers.image.description="Two-way referral between stations and hospitals of a network, over FHIR R4" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore setuptools wheel pip \
 && groupadd --system --gid 10001 referral \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin referral
COPY --from=build /opt/referral /opt/referral
ENV PATH=/opt/referral/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
WORKDIR /opt/referral
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8000
# Whether the process lives. A database that is away is no reason to start it again: /readyz is for the proxy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["referral"]
CMD ["serve", "--host", "0.0.0.0"]
