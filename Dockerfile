# One image for every part; compose.yaml says which command a container runs.
FROM swift:6.3-bookworm AS build
WORKDIR /tapline
COPY scripts/bootstrap scripts/bootstrap
RUN scripts/bootstrap
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
COPY migrations migrations
RUN swift build -c release --static-swift-stdlib -Xlinker --strip-all \
    && mkdir /out && for part in gate publisher center snapshot fleet; do cp .build/release/tapline-$part /out/; done

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        ca-certificates curl libcbor0.8 libcurl4 libmicrohttpd12 libnfc6 libpq5 librabbitmq4 libsqlite3-0 libssl3 openssl zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 900 --home-dir /var/lib/tapline --create-home tapline
COPY --from=build /out/ /usr/local/bin/
COPY scripts/demo-data /usr/local/bin/tapline-demo-data
USER tapline
WORKDIR /var/lib/tapline
