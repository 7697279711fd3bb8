# docker build -t fluxdb . && docker run --rm -it -v "$PWD:/data" fluxdb weather.flux
FROM rust:1-slim AS build
# The bundled zstd and mimalloc are C.
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Together, so that the library is built once.
RUN cargo build --locked --profile dist -p fluxdb -p fluxdb-inspect --bins

FROM debian:stable-slim
RUN apt-get update && apt-get install -y --no-install-recommends less && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/dist/fluxdb /src/target/dist/inspect /usr/local/bin/
WORKDIR /data
ENTRYPOINT ["fluxdb"]
