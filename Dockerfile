# One image for `kinepose serve`, `kinepose worker` and `kinepose keys`.
#
#   docker build -t kinepose .                                     for CPUs, without torch
#   docker build -t kinepose:cuda --build-arg TORCH_BUILD=cuda .   with torch for CUDA, its libraries included
#
# Packages are those of deploy/requirements.txt, with TORCH_BUILD=cuda those of deploy/torch-cuda.txt, too, and of
# deploy/build.txt for the project's own wheel (`make lock`): wheels whose hashes stand there, and no others.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b


# -- packages: a virtual environment with what serving needs ------------------------------------------------
FROM ${PYTHON_IMAGE} AS packages
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils \
 && rm -rf /var/lib/apt/lists/* \
 && python -m venv --without-pip /opt/kinepose

# torch by itself: it takes longest and changes least. Nothing is built here: a package without a wheel would run code of its
# own to install itself. The project is not among them, so that a change of the code leaves these layers as they are.
WORKDIR /build
ARG TORCH_BUILD=none
COPY deploy/torch-cuda.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    if [ "${TORCH_BUILD}" = none ]; then exit 0; fi \
 && pip --python /opt/kinepose/bin/python install --require-hashes --only-binary :all: --no-deps -r "torch-${TORCH_BUILD}.txt"
COPY deploy/requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/kinepose/bin/python install --require-hashes --only-binary :all: --no-deps -r requirements.txt \
 && pip --python /opt/kinepose/bin/python check

# Headers, CMake files, the packages' own tests, symbol tables of torch and zstandard (of use to a debugger only),
# OpenVINO's plugins for GPUs and NPUs (it is for CPUs here) and its readers of other formats than its own: nothing reads
# them when serving. No package goes as a whole.
WORKDIR /opt/kinepose/lib
RUN packages=$(echo python3.*/site-packages) \
 && for folder in openvino/include openvino/cmake; do rm -r "${packages:?}/$folder"; done \
 && for file in libopenvino_intel_gpu_plugin.so libopenvino_intel_npu_plugin.so cache.json; do rm "$packages/openvino/libs/$file"; done \
 && for format in onnx tensorflow tensorflow_lite paddle jax gguf; do rm "$packages/openvino/libs/libopenvino_${format}_frontend.so"*; done \
 && strip --strip-unneeded "$packages"/zstandard/*.so \
 && find "$packages/numpy" -type d -name tests -prune -exec rm -r {} + \
 && if [ ! -d "$packages/torch" ]; then exit 0; fi \
 && for folder in torch/include torch/share torch/test; do rm -r "${packages:?}/$folder"; done \
 && find "$packages/torch/bin" -type f ! -name torch_shm_manager -delete \
 && for name in sympy networkx mpmath; do find "$packages/$name" -type d -name tests -prune -exec rm -r {} +; done \
 && strip --strip-unneeded "$packages/torch/lib/libtorch_cpu.so" "$packages/torch/lib/libtorch_python.so"


# -- wheel: the project itself ------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS wheel
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY deploy/build.txt ./
RUN --mount=type=cache,target=/root/.cache/pip pip install --require-hashes --only-binary :all: -r build.txt
COPY pyproject.toml README.md LICENSE ./
COPY proto proto
COPY clients/python clients/python
COPY model model
COPY service service
COPY bench bench
COPY training training
RUN pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /dist . ./clients/python


# -- runtime ------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS runtime

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Kinepose" \
      org.opencontainers.image.description="Human joints from video: frontend, worker and keys in one image." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# tini: as process 1 the kernel would drop a SIGTERM that comes while the model loads.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 kinepose \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin kinepose \
 && install -d -o kinepose -g kinepose -m 0750 \
        /var/lib/kinepose /var/lib/kinepose/keys /var/lib/kinepose/redis /var/lib/kinepose/redis-server \
        /var/lib/kinepose/metrics /var/lib/kinepose/grafana /var/spool/kinepose

COPY --from=packages /opt/kinepose /opt/kinepose
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    pip --python /opt/kinepose/bin/python install --no-cache-dir --no-deps --no-index --disable-pip-version-check \
        --root-user-action=ignore /dist/*.whl
COPY deploy/healthcheck.py /usr/local/bin/kinepose-healthcheck

# Uploaded clips lie in TMPDIR while they are worked on: with a read-only root file system, mount a volume there.
ENV PATH=/opt/kinepose/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TMPDIR=/var/spool/kinepose \
    KINEPOSE_HOST=0.0.0.0
USER 10001:10001
WORKDIR /var/spool/kinepose
# An image that cannot load its model, or misses a library, is not built.
RUN ["kinepose", "models"]
EXPOSE 8000 50051
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=8s --start-period=60s --retries=3 \
    CMD ["python", "/usr/local/bin/kinepose-healthcheck", "/healthz"]
ENTRYPOINT ["tini", "--", "kinepose"]
CMD ["serve"]
