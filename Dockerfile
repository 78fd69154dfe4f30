# Build: docker build -t dealpulse .
# Run:   docker run -e HUBSPOT_TOKEN -v "$PWD/dealpulse.yaml:/etc/dealpulse/dealpulse.yaml:ro" \
#            -v dealpulse:/var/lib/dealpulse dealpulse

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv /opt/dealpulse
# the dependencies first: they change more seldom than the code
COPY requirements-runtime.lock ./
RUN /opt/dealpulse/bin/pip install --require-hashes --only-binary :all: -r requirements-runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY sync ./sync
COPY forecasting ./forecasting
RUN /opt/dealpulse/bin/pip install --no-deps --no-build-isolation .

FROM python:3.12-slim-bookworm
RUN groupadd --gid 10001 dealpulse \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/dealpulse \
        --shell /usr/sbin/nologin dealpulse \
    && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/dealpulse
COPY --from=build /opt/dealpulse /opt/dealpulse
ENV PATH=/opt/dealpulse/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DEALPULSE_CONFIG=/etc/dealpulse/dealpulse.yaml
# sqlite:///dealpulse.db is relative: the mirror lands in the volume
WORKDIR /var/lib/dealpulse
VOLUME /var/lib/dealpulse
EXPOSE 8787
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8787/health/live', timeout=4)"]
# the exec form: signals reach the process itself
ENTRYPOINT ["dealpulse"]
CMD ["run"]
