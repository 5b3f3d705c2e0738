# One image for each service:   docker build --build-arg APP=api -t bongsu/api .      (api, notification, audit, cli)
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
RUN npx nest build ${APP}

FROM manifests AS dependencies
ARG APP
# Without the links to the workspaces: what a service uses of libs/ is in its build.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional --workspace apps/${APP} && rm -rf node_modules/@bongsu

FROM base AS runtime
ARG APP
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bongsu-${APP}" \
      org.opencontainers.image.description="Bongsu, a notification system with Kafka as its backbone: ${APP}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
COPY --from=dependencies /app/node_modules node_modules
COPY apps/${APP}/package.json apps/${APP}/
COPY LICENSE ./
COPY --from=build /app/apps/${APP}/dist apps/${APP}/dist
USER node
STOPSIGNAL SIGTERM

# A service answers for its own health on its management port; one that never gets there is not healthy either.
FROM runtime AS service
COPY infra/compose/healthcheck.js /app/
HEALTHCHECK --interval=10s --timeout=5s --retries=3 --start-period=120s --start-interval=1s CMD ["node", "/app/healthcheck.js"]

FROM service AS service-api
ENV PORT=3000 MANAGEMENT_PORT=9464
EXPOSE 3000 9464
CMD ["node", "apps/api/dist/apps/api/src/main.js"]

FROM service AS service-notification
ENV MANAGEMENT_PORT=9465
EXPOSE 9465
CMD ["node", "apps/notification/dist/apps/notification/src/main.js"]

FROM service AS service-audit
ENV PORT=3002 MANAGEMENT_PORT=9466
EXPOSE 3002 9466
CMD ["node", "apps/audit/dist/apps/audit/src/main.js"]

FROM runtime AS service-cli
COPY apps/cli/bin apps/cli/bin
ENTRYPOINT ["node", "apps/cli/bin/bongsu.js"]

FROM service-${APP}
