# One image with all programs. compose.yaml sets the command of each container.
FROM swift:6.3-bookworm AS build
WORKDIR /tapline
COPY scripts/bootstrap scripts/bootstrap
RUN scripts/bootstrap
# Swift reads the complete manifest, so tests and migrations must be present for a build.
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
COPY migrations migrations
RUN swift build -c release --static-swift-stdlib -Xlinker --strip-all \
    && mkdir /out && for part in gate publisher center snapshot fleet; do cp .build/release/tapline-$part /out/; done

FROM debian:bookworm-slim
# The run-time libraries of all programs. The user has a fixed ID, so that compose.yaml can give it
# the secrets.
RUN apt-get update && apt-get install -y --no-install-recommends \
        ca-certificates curl libcbor0.8 libcurl4 libmicrohttpd12 libqrencode4 libnfc6 libpq5 librabbitmq4 libsqlite3-0 libssl3 openssl zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 900 --home-dir /var/lib/tapline --create-home tapline
COPY --from=build /out/ /usr/local/bin/
COPY scripts/demo-data /usr/local/bin/tapline-demo-data
USER tapline
WORKDIR /var/lib/tapline
