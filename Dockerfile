# One image for every pod. Two stages: packages are installed and compiled in the first; the second has no pip cache,
# no compiler and no hera. There is no ENTRYPOINT: the WorkflowTemplate names the command.
FROM python:3.11-slim AS build
COPY requirements/pod.txt /tmp/pod.txt
RUN python -m pip install --no-cache-dir --no-compile --require-hashes --target /opt/feedfall -r /tmp/pod.txt
COPY business_day /opt/feedfall/business_day
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
