# One image for each service:   docker build --build-arg APP=api -t bongsu/api .      (api, notification, audit, cli)
# A release adds --build-arg VERSION=0.2.0 --build-arg REVISION=$(git rev-parse HEAD) --build-arg SOURCE=<address of the repository>.
# It holds that service's code and its production dependencies: nothing of the other services, and no tools.
ARG APP=api

FROM node:24.21.0-trixie-slim AS base
WORKDIR /app
# No install scripts. Optional packages are the Node.js of the lock file, which this image is, and peers that a service
# does not use (TypeScript, through @nestjs/swagger).
ENV npm_config_ignore_scripts=true npm_config_omit=optional npm_config_update_notifier=false

# The manifests alone, so that a change of the sources installs nothing again.
FROM base AS sources
COPY . .
RUN mkdir /manifests && find . -maxdepth 3 \( -name 'package*.json' -o -name .npmrc \) -exec cp --parents {} /manifests \;

FROM base AS manifests
COPY --from=sources /manifests .

FROM manifests AS build
RUN --mount=type=cache,target=/root/.npm npm ci
COPY nest-cli.json tsconfig.json ./
COPY libs libs
ARG APP
COPY apps/${APP} apps/${APP}
# main.mjs starts whichever app this is, so that the image's command is the same for all.
RUN npx nest build ${APP} && rm -rf apps/${APP}/src \
 && echo "import './$(ls apps/${APP}/bin/*.js 2>/dev/null || echo apps/${APP}/dist/apps/${APP}/src/main.js)';" > main.mjs

FROM manifests AS dependencies
ARG APP
# Without the links to the workspaces: what a service uses of libs/ is in its build.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional --workspace apps/${APP} && rm -rf node_modules/@bongsu

FROM base
ARG APP
ENV NODE_ENV=production BONGSU_APP=${APP}
# A service installs nothing; what is not there cannot be misused.
RUN rm -rf /usr/local/lib/node_modules /opt/yarn-* /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/yarn* /usr/local/bin/corepack
COPY LICENSE infra/compose/healthcheck.mjs ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/main.mjs main.mjs
COPY --from=build /app/apps/${APP} apps/${APP}
USER node
STOPSIGNAL SIGTERM
# Whether the service itself says, on its management port, that it is ready. (The CLI has none: disable it there.)
# It is not ready while Kafka is away; a restart of the broker must not yet make it unhealthy.
HEALTHCHECK --interval=10s --timeout=5s --retries=9 --start-period=120s --start-interval=1s CMD ["node", "/app/healthcheck.mjs"]
ENTRYPOINT ["node", "/app/main.mjs"]
# Last, so that another revision builds nothing again.
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
ARG LICENSES=Apache-2.0
LABEL org.opencontainers.image.title="bongsu-${APP}" \
      org.opencontainers.image.description="Bongsu, a notification system with Kafka as its backbone: ${APP}" \
      org.opencontainers.image.licenses="${LICENSES}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
