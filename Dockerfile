# One image for every component: `docker run IMAGE scheduler --kubeconfig …` is `python -m scheduler …`.
# BASE may be any Debian-like system with Python 3.11 or newer and its venv module.
ARG BASE=python:3.12-slim
FROM ${BASE}

RUN command -v iptables-restore >/dev/null && command -v ip >/dev/null || \
    { apt-get update && apt-get install -y --no-install-recommends iptables iproute2 conntrack && \
      rm -rf /var/lib/apt/lists/*; }

COPY pyproject.toml README.md LICENSE /src/
COPY api /src/api
COPY cel /src/cel
COPY apiserver /src/apiserver
COPY client /src/client
COPY controller_manager /src/controller_manager
COPY kubelet /src/kubelet
COPY proxy /src/proxy
COPY cloud_controller_manager /src/cloud_controller_manager
COPY scheduler /src/scheduler
RUN python3 -m venv /opt/nanokube && /opt/nanokube/bin/pip install --no-cache-dir /src && rm -rf /src
COPY docker/health.py /usr/local/lib/nanokube/health.py

ENV PATH=/opt/nanokube/bin:$PATH PYTHONUNBUFFERED=1
EXPOSE 6443
ENTRYPOINT ["python3", "-m"]
CMD ["client.cli", "--help"]
