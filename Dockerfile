# One target for each deployable: monolith, worker (beat too), mover (relay and consumer too), the
# services, the edge, and who plays the payment provider. The monolith (and with it worker and mover),
# each service and the edge install a lock file of their own, and each copies its own packages: a
# service's image has no Django, the monolith's no FastAPI, the edge's neither.
#
#   docker build --target monolith --tag shop-monolith .

ARG PYTHON=3.13

FROM python:${PYTHON}-slim-bookworm AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin app


# What is built here stays here, except /opt/venv: no image has pip's cache or a second pip.
FROM base AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/venv

FROM builder AS monolith-venv
COPY requirements/monolith.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: \
        --requirement requirements/monolith.txt

FROM builder AS catalog-venv
COPY requirements/catalog.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: \
        --requirement requirements/catalog.txt

FROM builder AS edge-venv
COPY requirements/edge.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: \
        --requirement requirements/edge.txt

FROM builder AS inventory-venv
COPY requirements/inventory.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: \
        --requirement requirements/inventory.txt

FROM builder AS notifications-venv
COPY requirements/notifications.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: \
        --requirement requirements/notifications.txt

FROM builder AS pricing-venv
COPY requirements/pricing.txt requirements/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: \
        --requirement requirements/pricing.txt


FROM base AS django
COPY --from=monolith-venv /opt/venv /opt/venv
COPY contracts contracts
COPY strangler strangler
COPY monolith monolith
# Of the services only how rows map: plain Python, for the mover and whoever moves a capability.
COPY extracted/__init__.py extracted/
COPY extracted/catalog/__init__.py extracted/catalog/transfer.py extracted/catalog/
COPY extracted/inventory/__init__.py extracted/inventory/transfer.py extracted/inventory/
COPY extracted/notifications/__init__.py extracted/notifications/transfer.py extracted/notifications/
COPY router/capabilities.toml router/
COPY manage.py ./
# The admin's styles and scripts, gathered once; nothing else of var/ is in the image.
RUN DEBUG=true python manage.py collectstatic --no-input \
    && find var -mindepth 1 -maxdepth 1 ! -name static -exec rm -rf {} + \
    && install --directory --owner app --group app /table
ENV DEBUG=false \
    STRANGLER_KEYS=/run/secrets \
    STRANGLER_TABLE=/table
USER app

FROM django AS worker
HEALTHCHECK --interval=30s --timeout=15s --start-period=20s \
    CMD ["sh", "-c", "celery -A monolith.config inspect ping --destination celery@$HOSTNAME"]
CMD ["celery", "-A", "monolith.config", "worker", "--loglevel", "INFO"]

FROM django AS mover
# It answers nobody, and one that does nothing may be well: another has the lease. Whether rows flow
# is to be asked of the control plane, by `manage.py strangler transfer status`.
HEALTHCHECK NONE
CMD ["python", "manage.py", "strangler", "mover"]

FROM django AS monolith
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["gunicorn", "monolith.config.wsgi", "--bind", "0.0.0.0:8000", "--workers", "4", \
     "--worker-tmp-dir", "/dev/shm", "--no-control-socket", "--forwarder-headers", "", \
     "--access-logfile", "-"]


# Plays the payment provider. It needs Python, and of the shop only how webhooks are signed.
FROM base AS provider
COPY monolith/__init__.py monolith/
COPY monolith/payments/__init__.py monolith/payments/signing.py monolith/payments/
COPY monolith/payments/sandbox monolith/payments/sandbox
RUN install --directory --owner app --group app /books
USER app
EXPOSE 8200
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8200/healthz', timeout=2)"]
CMD ["python", "-m", "monolith.payments.sandbox", "--host", "0.0.0.0", "--books", "/books/books.sqlite3"]


FROM base AS catalog
COPY --from=catalog-venv /opt/venv /opt/venv
COPY contracts contracts
COPY strangler strangler
COPY extracted/__init__.py extracted/
COPY extracted/catalog extracted/catalog
COPY router/capabilities.toml router/
ENV STRANGLER_KEYS=/run/secrets \
    STRANGLER_DRAIN=5
USER app
EXPOSE 8101
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8101/readyz', timeout=2)"]
CMD ["python", "-m", "extracted.catalog", "--host", "0.0.0.0", "--port", "8101"]


FROM base AS inventory
COPY --from=inventory-venv /opt/venv /opt/venv
COPY contracts contracts
COPY strangler strangler
COPY extracted/__init__.py extracted/
COPY extracted/inventory extracted/inventory
COPY router/capabilities.toml router/
ENV STRANGLER_KEYS=/run/secrets \
    STRANGLER_DRAIN=5
USER app
EXPOSE 8103
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8103/readyz', timeout=2)"]
CMD ["python", "-m", "extracted.inventory", "--host", "0.0.0.0", "--port", "8103"]


FROM base AS notifications
COPY --from=notifications-venv /opt/venv /opt/venv
COPY contracts contracts
COPY strangler strangler
COPY extracted/__init__.py extracted/
COPY extracted/notifications extracted/notifications
COPY router/capabilities.toml router/
ENV STRANGLER_KEYS=/run/secrets \
    STRANGLER_DRAIN=5
USER app
EXPOSE 8108
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8108/readyz', timeout=2)"]
CMD ["python", "-m", "extracted.notifications", "--host", "0.0.0.0", "--port", "8108"]


FROM base AS pricing
COPY --from=pricing-venv /opt/venv /opt/venv
COPY contracts contracts
COPY strangler strangler
COPY extracted/__init__.py extracted/
COPY extracted/pricing extracted/pricing
COPY router/capabilities.toml router/
ENV STRANGLER_KEYS=/run/secrets \
    STRANGLER_DRAIN=5
USER app
EXPOSE 8102
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8102/readyz', timeout=2)"]
CMD ["python", "-m", "extracted.pricing", "--host", "0.0.0.0", "--port", "8102"]


FROM base AS edge
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nginx \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner app --group app /table /nginx
COPY --from=edge-venv /opt/venv /opt/venv
COPY strangler strangler
COPY router/capabilities.toml router/start.sh router/
ENV STRANGLER_KEYS=/run/secrets \
    STRANGLER_MANIFEST=/app/router/capabilities.toml \
    STRANGLER_TABLE=/table
USER app
EXPOSE 8080
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/_strangler/readyz', timeout=2)"]
CMD ["sh", "router/start.sh", "--listen", "0.0.0.0:8080"]
