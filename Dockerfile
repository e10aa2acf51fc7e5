# Two images: every pod's (the last stage, what `docker build .` makes), and the calendar service's (`--target calendar`).
# Packages are installed and compiled in a stage of their own; the image has no pip cache, no compiler and no hera.
FROM python:3.11-slim AS calendar-build
COPY requirements/service.txt /tmp/service.txt
RUN python -m pip install --no-cache-dir --no-compile --require-hashes --target /opt/feedfall -r /tmp/service.txt
COPY business_day /opt/feedfall/business_day
COPY calendar_client /opt/feedfall/calendar_client
COPY ledger /opt/feedfall/ledger
COPY service /opt/feedfall/service
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/feedfall

FROM python:3.11-slim AS calendar
COPY --from=calendar-build /opt/feedfall /opt/feedfall
ENV PYTHONPATH=/opt/feedfall PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /opt/feedfall
USER 10001:10001
CMD ["python", "-m", "service"]

# There is no ENTRYPOINT: the WorkflowTemplate names the command.
FROM python:3.11-slim AS build
COPY requirements/pod.txt /tmp/pod.txt
RUN python -m pip install --no-cache-dir --no-compile --require-hashes --target /opt/feedfall -r /tmp/pod.txt
COPY business_day /opt/feedfall/business_day
COPY calendar_client /opt/feedfall/calendar_client
COPY catalog /opt/feedfall/catalog
COPY feeds /opt/feedfall/feeds
COPY ledger /opt/feedfall/ledger
COPY steps /opt/feedfall/steps
# Without .pyc files a pod starts half a second later.
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/feedfall

FROM python:3.11-slim
COPY --from=build /opt/feedfall /opt/feedfall
ENV PYTHONPATH=/opt/feedfall PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /opt/feedfall
USER 10001:10001
