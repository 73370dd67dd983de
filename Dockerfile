# syntax=docker/dockerfile:1
#
# Two images from one file:
#   docker build --target platform -t sandlot/platform:0.1.0 .     every service; the command chooses
#   docker build --target sandbox  -t sandlot/sandbox:0.1.0 .      what a sandbox runs, unless it names another image
#
# Both run as uid 1000 with a read-only root, and need no shell: every command is Node. For linux/amd64 and linux/arm64 (--platform).
# The same bytes from the same commit: pin NODE_IMAGE by digest and give the commit's time,
#   docker buildx build --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) --output type=image,name=…,rewrite-timestamp=true
# and --sbom=true --provenance=true add what the image is made of.

ARG NODE_IMAGE=node:24-slim

# What both are built with. It runs on the builder's own architecture: what is built is JavaScript, the same everywhere.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS source
WORKDIR /opt/sandlot
COPY . .

FROM source AS build
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund --loglevel=error \
 && node_modules/.bin/tsc -b \
 && rm -rf libs/testing tools \
 && find libs services runtime -depth \( -name src -o -name '*.map' -o -name '*.d.ts' -o -name '*.tsbuildinfo' -o -name 'tsconfig.json' \
      -o -path '*/dist/testing' -o -name '*.fixture.js' -o -name '*.features.js' -o -name '*-under-test.js' \) -exec rm -rf {} +

# Without what develops, and without optional packages: the Node and the PostgreSQL that `make up` brings are those.
FROM source AS modules
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund --loglevel=error \
 && rm -f node_modules/@sandlot/testing node_modules/@sandlot/testbed node_modules/.package-lock.json \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete

FROM ${NODE_IMAGE} AS node
ARG SOURCE_DATE_EPOCH=0
# Nothing is installed at run time, so nothing that installs is left.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn* /usr/local/bin/yarn*
ENV NODE_ENV=production
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.vendor="Sandlot" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM node AS sandbox
LABEL org.opencontainers.image.title="Sandlot sandbox" \
      org.opencontainers.image.description="The HTTP server inside a Sandlot sandbox: commands and files on port 8888"
COPY --from=build --chown=0:0 /opt/sandlot/runtime /opt/sandlot/runtime
COPY LICENSE /opt/sandlot/
RUN install -d -o 1000 -g 1000 /workspace
ENV HOME=/workspace SANDLOT_RUNTIME_WORKDIR=/workspace
WORKDIR /workspace
USER 1000:1000
EXPOSE 8888
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8888/health').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node"]
CMD ["--max-semi-space-size=1", "/opt/sandlot/runtime/dist/main.js"]

FROM node AS platform
LABEL org.opencontainers.image.title="Sandlot platform" \
      org.opencontainers.image.description="Every service of Sandlot; the command chooses: services/<auth|provisioner|audit|gateway|proxy>/dist/main.js"
WORKDIR /opt/sandlot
COPY --from=modules --chown=0:0 /opt/sandlot/node_modules node_modules
COPY --from=build --chown=0:0 /opt/sandlot/libs libs
COPY --from=build --chown=0:0 /opt/sandlot/services services
COPY --from=build --chown=0:0 /opt/sandlot/runtime runtime
COPY docs/runbooks docs/runbooks
COPY package.json LICENSE ./
# Where volumes go: a new one takes its owner from here.
RUN install -d -o 1000 -g 1000 /keys /urls /var/lib/sandlot /data/nats /data/nats-2 /data/nats-3
USER 1000:1000
EXPOSE 8080 8081 9090
# Ready, as /readyz says. In Kubernetes the probes ask instead.
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.SANDLOT_METRICS_PORT || 9090}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node"]
CMD ["services/proxy/dist/main.js"]
