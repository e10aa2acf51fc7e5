# Three images: every pod's (the last stage, what `docker build .` makes), the calendar service's (`--target calendar`) and
# the board's (`--target board`).
# Packages are installed and compiled in a stage of their own; the image has no pip cache, no compiler and no hera.
#
# The base has a full version: never 3.11-slim, which is another image every few weeks. A version is still a tag, and a tag can be
# moved: a release is built from the digest behind it, which stands here from then on, as NAME:TAG@sha256:<64 hex digits>.
#     docker buildx imagetools inspect python:3.11.14-slim-bookworm      prints the digest
#     docker build --build-arg PYTHON=registry.bank/python:3.11.14-slim-bookworm@sha256:… .      a bank's own mirror
ARG PYTHON=docker.io/library/python:3.11.14-slim-bookworm

FROM ${PYTHON} AS calendar-build
COPY requirements/service.txt requirements/sbom.py requirements/licences.toml /tmp/
RUN python -m pip install --no-cache-dir --no-compile --require-hashes --target /opt/feedfall -r /tmp/service.txt
# What the image carries, by name, version, hash and licence; a package without an entry in licences.toml ends the build.
RUN python /tmp/sbom.py feedfall-calendar 0.1.0 /opt/feedfall /tmp/service.txt /tmp/licences.toml > /tmp/sbom.cdx.json && \
    mv /tmp/sbom.cdx.json /opt/feedfall/
COPY LICENSE NOTICE /opt/feedfall/
COPY business_day /opt/feedfall/business_day
COPY calendar_client /opt/feedfall/calendar_client
COPY ledger /opt/feedfall/ledger
COPY service /opt/feedfall/service
RUN rm -r /opt/feedfall/service/board
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/feedfall

FROM ${PYTHON} AS calendar
COPY --from=calendar-build /opt/feedfall /opt/feedfall
ENV PYTHONPATH=/opt/feedfall PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /opt/feedfall
USER 10001:10001
CMD ["python", "-m", "service"]

FROM ${PYTHON} AS board-build
COPY requirements/board.txt requirements/sbom.py requirements/licences.toml /tmp/
RUN python -m pip install --no-cache-dir --no-compile --require-hashes --target /opt/feedfall -r /tmp/board.txt
COPY LICENSE NOTICE /opt/feedfall/
COPY business_day /opt/feedfall/business_day
COPY calendar_client /opt/feedfall/calendar_client
COPY catalog /opt/feedfall/catalog
COPY feeds /opt/feedfall/feeds
COPY ledger /opt/feedfall/ledger
COPY operate /opt/feedfall/operate
COPY service /opt/feedfall/service
COPY steps /opt/feedfall/steps
RUN python /tmp/sbom.py feedfall-board 0.1.0 /opt/feedfall /tmp/board.txt /tmp/licences.toml > /tmp/sbom.cdx.json && \
    mv /tmp/sbom.cdx.json /opt/feedfall/
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/feedfall

FROM ${PYTHON} AS board
COPY --from=board-build /opt/feedfall /opt/feedfall
ENV PYTHONPATH=/opt/feedfall PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /opt/feedfall
USER 10001:10001
CMD ["python", "-m", "service.board"]

# There is no ENTRYPOINT: the WorkflowTemplate names the command.
FROM ${PYTHON} AS build
COPY requirements/pod.txt requirements/sbom.py requirements/licences.toml /tmp/
RUN python -m pip install --no-cache-dir --no-compile --require-hashes --target /opt/feedfall -r /tmp/pod.txt
RUN python /tmp/sbom.py feedfall 0.1.0 /opt/feedfall /tmp/pod.txt /tmp/licences.toml > /tmp/sbom.cdx.json && \
    mv /tmp/sbom.cdx.json /opt/feedfall/
COPY LICENSE NOTICE /opt/feedfall/
COPY business_day /opt/feedfall/business_day
COPY calendar_client /opt/feedfall/calendar_client
COPY catalog /opt/feedfall/catalog
COPY feeds /opt/feedfall/feeds
COPY ledger /opt/feedfall/ledger
COPY steps /opt/feedfall/steps
# Without .pyc files a pod starts half a second later.
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/feedfall

FROM ${PYTHON}
COPY --from=build /opt/feedfall /opt/feedfall
ENV PYTHONPATH=/opt/feedfall PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /opt/feedfall
USER 10001:10001
