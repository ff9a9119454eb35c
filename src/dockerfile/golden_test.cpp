// Dockerfiles of the kind that people publish, read, planned and carried out on paper: every stage
// with its steps as the history would show them, and the settings that come out of it.
#include "dockerfile/plan.h"

#include "base/text.h"

#include <gtest/gtest.h>

#include <utility>

namespace shoal::dockerfile {
namespace {

using Words = std::vector<std::string>;

std::string base_of(const Plan& plan, const PlannedStage& planned, const File& file) {
    switch (planned.base.kind) {
    case Origin::Kind::Scratch:
        return "scratch";
    case Origin::Kind::Stage: {
        const auto& base = file.stages[static_cast<std::size_t>(planned.base.stage)];
        return "stage " + (base.name.empty() ? std::to_string(planned.base.stage) : base.name);
    }
    default:
        EXPECT_FALSE(plan.stages.empty());
        return planned.base.name;
    }
}

void add(Words& lines, const std::string& name, const Words& values) {
    if (!values.empty()) { lines.push_back("  ." + name + ": " + join(values, " | ")); }
}

template <class Map> Words keys(const Map& map) {
    Words all;
    for (const auto& [key, value] : map) { all.push_back(key); }
    return all;
}

void add_config(Words& lines, const oci::RunConfig& config) {
    add(lines, "env", config.env);
    add(lines, "user", config.user.empty() ? Words{} : Words{config.user});
    add(lines, "dir", config.working_dir.empty() ? Words{} : Words{config.working_dir});
    add(lines, "entrypoint", config.entrypoint);
    add(lines, "cmd", config.cmd);
    add(lines, "ports", keys(config.exposed_ports));
    add(lines, "volumes", keys(config.volumes));
    add(lines, "onbuild", config.on_build);
    if (!config.stop_signal.empty()) { add(lines, "signal", {config.stop_signal}); }
    if (config.healthcheck) { add(lines, "health", config.healthcheck->test); }
    Words labels;
    for (const auto& [key, value] : config.labels) { labels.push_back(key + "=" + value); }
    add(lines, "labels", labels);
}

std::string shown(const RunMount& mount) {
    static const Words types{"bind", "cache", "tmpfs", "secret", "ssh"};
    return types[static_cast<std::size_t>(mount.type)] + ":" + mount.from + ":" + mount.source +
           ":" + mount.target + mount.id;
}

void add_step(Words& lines, int step, const Plan& plan, const Command& command) {
    std::string line = "  " + std::to_string(step) + "/" + std::to_string(plan.steps) + " ";
    const auto* run = std::get_if<RunCommand>(&command.what);
    if (run == nullptr) {
        line += command.text;
    } else {
        line += "RUN";
        for (const auto& mount : run->mounts) { line += " {" + shown(mount) + "}"; }
        line += run->shell ? " sh: " : " exec: ";
        line += run->script ? "<<" + *run->script : join(run->words, " | ");
    }
    lines.push_back(replace_all(line, "\n", "\\n"));
}

/// Stages in order with what each step is once its variables are in.
class Paper {
  public:
    Paper(const File& file, const Plan& plan, const BuildArgs& given)
        : file_(file), plan_(plan), given_(given) {}

    Words run() {
        for (const auto& planned : plan_.stages) { stage(planned); }
        return std::move(lines_);
    }

  private:
    void stage(const PlannedStage& planned) {
        const auto& stage = file_.stages[static_cast<std::size_t>(planned.index)];
        const auto name = stage.name.empty() ? std::to_string(planned.index) : stage.name;
        lines_.push_back(name + " <- " + base_of(plan_, planned, file_) +
                         (planned.platform.empty() ? "" : " on " + planned.platform));
        oci::RunConfig config;
        if (planned.base.kind == Origin::Kind::Stage) { config = configs_[planned.base.stage]; }
        config.on_build.clear();
        std::vector<std::pair<std::string, std::string>> args;
        Scope scope{&config, &args, file_.directives.escape, &given_, &plan_.globals};
        bool cmd_set = false;
        int step = planned.first_step;
        for (const auto& instruction : stage.instructions) {
            const auto command = interpret(instruction, scope);
            ASSERT_TRUE(command) << command.error().message;
            add_step(lines_, ++step, plan_, *command);
            for (const auto& warning : command->warnings) {
                lines_.push_back("  ! " + warning.rule);
            }
            carry_out(*command, config, args, cmd_set);
        }
        add_config(lines_, config);
        configs_[planned.index] = config;
    }

    void carry_out(const Command& command, oci::RunConfig& config,
                   std::vector<std::pair<std::string, std::string>>& args, bool& cmd_set) {
        if (const auto* arg = std::get_if<ArgCommand>(&command.what)) {
            for (const auto& one : arg->args) {
                const auto value = arg_value(one, given_, plan_.globals);
                if (value) { args.emplace_back(one.name, *value); }
            }
            return;
        }
        const Kind kind = command.kind;
        if (kind == Kind::Add || kind == Kind::Copy || kind == Kind::Run ||
            kind == Kind::Maintainer) {
            return;
        }
        const auto applied = apply(config, command, &cmd_set);
        ASSERT_TRUE(applied) << applied.error().message;
    }

    const File& file_;
    const Plan& plan_;
    const BuildArgs& given_;
    std::map<int, oci::RunConfig> configs_;
    Words lines_;
};

std::string paper(const std::string& text, const BuildArgs& given = {}) {
    const auto file = parse(text);
    if (!file) { return file.error().message; }
    PlanRequest request;
    request.args = given;
    request.platforms = {"linux/amd64", "linux/arm64"};
    const auto plan = make_plan(*file, request);
    if (!plan) { return plan.error().message; }
    auto lines = Paper(*file, *plan, given).run();
    for (const auto* warnings : {&file->warnings, &plan->warnings}) {
        for (const auto& warning : *warnings) {
            lines.push_back("! " + std::to_string(warning.lines.first) + " " + warning.rule);
        }
    }
    return "\n" + join(lines, "\n") + "\n";
}

} // namespace

TEST(Golden, a_web_application_in_two_stages) {
    EXPECT_EQ(paper(R"(# syntax=docker/dockerfile:1.7
ARG NODE_VERSION=20.11

FROM node:${NODE_VERSION}-alpine AS base
WORKDIR /usr/src/app
ENV NODE_ENV=production

FROM base AS deps
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm \
    npm ci --omit=dev

FROM deps AS test
ENV NODE_ENV=test
RUN npm ci && npm test

FROM base
COPY --from=deps --chown=node:node /usr/src/app/node_modules ./node_modules
COPY --chown=node:node . .
USER node
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=3s CMD wget -qO- http://localhost:3000/health || exit 1
CMD ["node", "server.js"]
)"),
              R"(
base <- node:20.11-alpine
  2/13 WORKDIR /usr/src/app
  3/13 ENV NODE_ENV=production
  .env: NODE_ENV=production
  .dir: /usr/src/app
deps <- stage base
  5/13 COPY package.json package-lock.json ./
  6/13 RUN {cache:::/root/.npm} sh: npm ci --omit=dev
  .env: NODE_ENV=production
  .dir: /usr/src/app
3 <- stage base
  8/13 COPY --chown=node:node /usr/src/app/node_modules ./node_modules
  9/13 COPY --chown=node:node . .
  10/13 USER node
  11/13 EXPOSE [3000/tcp]
  12/13 HEALTHCHECK --interval=30s --timeout=3s CMD wget -qO- http://localhost:3000/health || exit 1
  13/13 CMD ["node" "server.js"]
  .env: NODE_ENV=production
  .user: node
  .dir: /usr/src/app
  .cmd: node | server.js
  .ports: 3000/tcp
  .health: CMD-SHELL | wget -qO- http://localhost:3000/health || exit 1
)");
}

TEST(Golden, a_program_for_another_platform) {
    EXPECT_EQ(paper(R"(# syntax=docker/dockerfile:1
ARG GO_VERSION=1.22
ARG ALPINE_VERSION=3.20

FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-alpine${ALPINE_VERSION} AS build
WORKDIR /src
ENV CGO_ENABLED=0
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod,sharing=locked go mod download -x
COPY . .
ARG TARGETOS
ARG TARGETARCH VERSION=dev
RUN --mount=type=cache,target=/root/.cache/go-build \
    --mount=type=cache,target=/go/pkg/mod \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -ldflags "-s -X main.version=${VERSION}" -o /out/app ./cmd/app

FROM scratch AS binary
COPY --from=build /out/app /

FROM gcr.io/distroless/static:nonroot
ARG VERSION
LABEL org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.title="The app"
COPY --link --from=binary /app /app
ENTRYPOINT ["/app"]
)",
                    {{"VERSION", "v1.2"}}),
              R"(
build <- golang:1.22-alpine3.20 on linux/amd64
  2/16 WORKDIR /src
  3/16 ENV CGO_ENABLED=0
  4/16 COPY go.mod go.sum ./
  5/16 RUN {cache:::/go/pkg/mod} sh: go mod download -x
  6/16 COPY . .
  7/16 ARG TARGETOS
  8/16 ARG TARGETARCH VERSION=dev
  9/16 RUN {cache:::/root/.cache/go-build} {cache:::/go/pkg/mod} sh: GOOS=$TARGETOS GOARCH=$TARGETARCH go build -ldflags "-s -X main.version=${VERSION}" -o /out/app ./cmd/app
  .env: CGO_ENABLED=0
  .dir: /src
binary <- scratch
  11/16 COPY /out/app /
2 <- gcr.io/distroless/static:nonroot
  13/16 ARG VERSION
  14/16 LABEL org.opencontainers.image.version=v1.2 org.opencontainers.image.title=The app
  15/16 COPY --link /app /app
  16/16 ENTRYPOINT ["/app"]
  .entrypoint: /app
  .labels: org.opencontainers.image.title=The app | org.opencontainers.image.version=v1.2
)");
}

TEST(Golden, a_service_with_scripts_and_inline_files) {
    EXPECT_EQ(paper(R"(# syntax=docker/dockerfile:1
FROM python:3.12-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    # where the virtual environment is
    VIRTUAL_ENV=/opt/venv \
    PATH="/opt/venv/bin:$PATH"

RUN <<-EOF
	set -eux
	apt-get update
	apt-get install -y --no-install-recommends libpq5
	rm -rf /var/lib/apt/lists/*
	EOF

ARG APP_HOME=/app
WORKDIR ${APP_HOME}
COPY requirements.txt .
RUN --mount=type=bind,source=requirements.txt,target=/tmp/requirements.txt \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    pip install -r /tmp/requirements.txt
COPY <<EOF <<"RAW" /etc/service/
home=${APP_HOME}
EOF
raw=${APP_HOME}
RAW
RUN python3 <<PY > /tmp/x && cat /tmp/x
print("hello")
PY
COPY --exclude=*.pyc --exclude=tests src/ ./src
STOPSIGNAL SIGINT
EXPOSE 8000/tcp 8001-8002
ENTRYPOINT ["gunicorn", "-b", "0.0.0.0:8000"]
CMD ["app:app"]
)"),
              R"(
base <- python:3.12-slim
  2/14 ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  3/14 RUN sh: <<set -eux\napt-get update\napt-get install -y --no-install-recommends libpq5\nrm -rf /var/lib/apt/lists/*\n
  4/14 ARG APP_HOME=/app
  5/14 WORKDIR /app
  6/14 COPY requirements.txt .
  7/14 RUN {bind::requirements.txt:/tmp/requirements.txt} {secret:::/etc/pip.confpip} sh: pip install -r /tmp/requirements.txt
  8/14 COPY <<EOF <<RAW /etc/service/
  9/14 RUN sh: python3 <<PY > /tmp/x && cat /tmp/x\nprint("hello")\nPY
  10/14 COPY src/ ./src
  11/14 STOPSIGNAL SIGINT
  12/14 EXPOSE [8000/tcp 8001/tcp 8002/tcp]
  13/14 ENTRYPOINT ["gunicorn" "-b" "0.0.0.0:8000"]
  14/14 CMD ["app:app"]
  .env: PYTHONUNBUFFERED=1 | PIP_NO_CACHE_DIR=1 | VIRTUAL_ENV=/opt/venv | PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  .dir: /app
  .entrypoint: gunicorn | -b | 0.0.0.0:8000
  .cmd: app:app
  .ports: 8000/tcp | 8001/tcp | 8002/tcp
  .signal: SIGINT
)");
}

TEST(Golden, a_server_in_layers) {
    EXPECT_EQ(paper(R"(FROM eclipse-temurin:21-jdk AS builder
WORKDIR application
ARG JAR_FILE=target/*.jar
COPY ${JAR_FILE} application.jar
RUN java -Djarmode=layertools -jar application.jar extract

FROM eclipse-temurin:21-jre
WORKDIR application
COPY --from=builder application/dependencies/ ./
COPY --from=builder application/spring-boot-loader/ ./
COPY --from=builder application/application/ ./
ENTRYPOINT ["java", "org.springframework.boot.loader.launch.JarLauncher"]
)"),
              R"(
builder <- eclipse-temurin:21-jdk
  2/11 WORKDIR /application
  3/11 ARG JAR_FILE=target/*.jar
  4/11 COPY target/*.jar application.jar
  5/11 RUN sh: java -Djarmode=layertools -jar application.jar extract
  .dir: /application
1 <- eclipse-temurin:21-jre
  7/11 WORKDIR /application
  8/11 COPY application/dependencies/ ./
  9/11 COPY application/spring-boot-loader/ ./
  10/11 COPY application/application/ ./
  11/11 ENTRYPOINT ["java" "org.springframework.boot.loader.launch.JarLauncher"]
  .dir: /application
  .entrypoint: java | org.springframework.boot.loader.launch.JarLauncher
! 2 WorkdirRelativePath
! 8 WorkdirRelativePath
)");
}

TEST(Golden, a_program_whose_dependencies_are_cooked_first) {
    EXPECT_EQ(paper(R"(FROM lukemathwalker/cargo-chef:latest-rust-1 AS chef
WORKDIR /app

FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS builder
COPY --from=planner /app/recipe.json recipe.json
RUN cargo chef cook --release --recipe-path recipe.json
COPY . .
RUN cargo build --release --bin app

# The tools are not needed to run the program.
FROM debian:bookworm-slim AS runtime
WORKDIR /app
COPY --from=builder /app/target/release/app /usr/local/bin
ENTRYPOINT ["/usr/local/bin/app"]
)"),
              R"(
chef <- lukemathwalker/cargo-chef:latest-rust-1
  2/14 WORKDIR /app
  .dir: /app
planner <- stage chef
  4/14 COPY . .
  5/14 RUN sh: cargo chef prepare --recipe-path recipe.json
  .dir: /app
builder <- stage chef
  7/14 COPY /app/recipe.json recipe.json
  8/14 RUN sh: cargo chef cook --release --recipe-path recipe.json
  9/14 COPY . .
  10/14 RUN sh: cargo build --release --bin app
  .dir: /app
runtime <- debian:bookworm-slim
  12/14 WORKDIR /app
  13/14 COPY /app/target/release/app /usr/local/bin
  14/14 ENTRYPOINT ["/usr/local/bin/app"]
  .dir: /app
  .entrypoint: /usr/local/bin/app
)");
}

TEST(Golden, an_old_one_in_the_old_manner) {
    EXPECT_EQ(paper(R"(from php:7.4-apache
MAINTAINER Some Body <some@body.example>
env APACHE_DOCUMENT_ROOT /var/www/html/public
RUN apt-get update && apt-get install -y \
        libfreetype6-dev \
        # pictures

        libjpeg62-turbo-dev \
    && docker-php-ext-install gd

RUN sed -ri -e 's!/var/www/html!${APACHE_DOCUMENT_ROOT}!g' /etc/apache2/sites-available/*.conf
ADD https://example.com/wp.tar.gz /tmp/
ADD ["my files/site.conf", "/etc/apache2/sites-available/"]
LABEL vendor ACME Incorporated
ENV SECRET_KEY=abc DB_PASSWORD_FILE=/run/x
WORKDIR html
VOLUME /var/www/html /var/log/apache2
EXPOSE 80 443
CMD apache2-foreground
CMD exec apache2-foreground
)"),
              R"(
0 <- php:7.4-apache
  2/14 MAINTAINER Some Body <some@body.example>
  3/14 ENV APACHE_DOCUMENT_ROOT=/var/www/html/public
  4/14 RUN sh: apt-get update && apt-get install -y         libfreetype6-dev         libjpeg62-turbo-dev     && docker-php-ext-install gd
  5/14 RUN sh: sed -ri -e 's!/var/www/html!${APACHE_DOCUMENT_ROOT}!g' /etc/apache2/sites-available/*.conf
  6/14 ADD https://example.com/wp.tar.gz /tmp/
  7/14 ADD my files/site.conf /etc/apache2/sites-available/
  8/14 LABEL vendor=ACME Incorporated
  9/14 ENV SECRET_KEY=abc DB_PASSWORD_FILE=/run/x
  10/14 WORKDIR /html
  11/14 VOLUME [/var/www/html /var/log/apache2]
  12/14 EXPOSE [443/tcp 80/tcp]
  13/14 CMD ["/bin/sh" "-c" "apache2-foreground"]
  14/14 CMD ["/bin/sh" "-c" "exec apache2-foreground"]
  .env: APACHE_DOCUMENT_ROOT=/var/www/html/public | SECRET_KEY=abc | DB_PASSWORD_FILE=/run/x
  .dir: /html
  .cmd: /bin/sh | -c | exec apache2-foreground
  .ports: 443/tcp | 80/tcp
  .volumes: /var/log/apache2 | /var/www/html
  .labels: vendor=ACME Incorporated
! 1 ConsistentInstructionCasing
! 2 MaintainerDeprecated
! 3 LegacyKeyValueFormat
! 3 ConsistentInstructionCasing
! 9 NoEmptyContinuation
! 14 LegacyKeyValueFormat
! 15 SecretsUsedInArgOrEnv
! 16 WorkdirRelativePath
! 19 JSONArgsRecommended
! 19 MultipleInstructionsDisallowed
! 20 JSONArgsRecommended
)");
}

TEST(Golden, a_database_with_a_long_first_step) {
    EXPECT_EQ(paper(R"(#
# NOTE: this file is made by a script
#
FROM debian:bookworm-slim

# explicitly set user and group
RUN set -eux; \
	groupadd -r postgres --gid=999; \
# see https://salsa.debian.org/
	useradd -r -g postgres --uid=999 --home-dir=/var/lib/postgresql postgres; \
	chown -R postgres:postgres /var/lib/postgresql

ENV GOSU_VERSION 1.17
ENV LANG en_US.utf8
ENV PG_MAJOR 16
ENV PATH $PATH:/usr/lib/postgresql/$PG_MAJOR/bin
ENV PG_VERSION ${PG_MAJOR}.2-1.pgdg120+2
ENV PGDATA /var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
COPY docker-entrypoint.sh docker-ensure-initdb.sh /usr/local/bin/
RUN ln -sT docker-ensure-initdb.sh /usr/local/bin/docker-enforce-initdb.sh
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["postgres"]
)"),
              R"(
0 <- debian:bookworm-slim
  2/15 RUN sh: set -eux; 	groupadd -r postgres --gid=999; 	useradd -r -g postgres --uid=999 --home-dir=/var/lib/postgresql postgres; 	chown -R postgres:postgres /var/lib/postgresql
  3/15 ENV GOSU_VERSION=1.17
  4/15 ENV LANG=en_US.utf8
  5/15 ENV PG_MAJOR=16
  6/15 ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/16/bin
  7/15 ENV PG_VERSION=16.2-1.pgdg120+2
  8/15 ENV PGDATA=/var/lib/postgresql/data
  9/15 VOLUME [/var/lib/postgresql/data]
  10/15 COPY docker-entrypoint.sh docker-ensure-initdb.sh /usr/local/bin/
  11/15 RUN sh: ln -sT docker-ensure-initdb.sh /usr/local/bin/docker-enforce-initdb.sh
  12/15 ENTRYPOINT ["docker-entrypoint.sh"]
  13/15 STOPSIGNAL SIGINT
  14/15 EXPOSE [5432/tcp]
  15/15 CMD ["postgres"]
  .env: GOSU_VERSION=1.17 | LANG=en_US.utf8 | PG_MAJOR=16 | PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/16/bin | PG_VERSION=16.2-1.pgdg120+2 | PGDATA=/var/lib/postgresql/data
  .entrypoint: docker-entrypoint.sh
  .cmd: postgres
  .ports: 5432/tcp
  .volumes: /var/lib/postgresql/data
  .signal: SIGINT
! 13 LegacyKeyValueFormat
! 14 LegacyKeyValueFormat
! 15 LegacyKeyValueFormat
! 16 LegacyKeyValueFormat
! 17 LegacyKeyValueFormat
! 18 LegacyKeyValueFormat
)");
}

TEST(Golden, a_base_image_with_triggers) {
    EXPECT_EQ(paper(R"(FROM ruby:3.3 AS onbuild
RUN bundle config --global frozen 1
WORKDIR /usr/src/app
ONBUILD COPY Gemfile Gemfile.lock ./
ONBUILD RUN bundle install
ONBUILD COPY --chown=app . .

FROM onbuild
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN rake assets:precompile | tee log
CMD rails server -b 0.0.0.0
)"),
              R"(
onbuild <- ruby:3.3
  2/10 RUN sh: bundle config --global frozen 1
  3/10 WORKDIR /usr/src/app
  4/10 ONBUILD COPY Gemfile Gemfile.lock ./
  5/10 ONBUILD RUN bundle install
  6/10 ONBUILD COPY --chown=app . .
  .dir: /usr/src/app
  .onbuild: COPY Gemfile Gemfile.lock ./ | RUN bundle install | COPY --chown=app . .
1 <- stage onbuild
  8/10 SHELL [/bin/bash -o pipefail -c]
  9/10 RUN sh: rake assets:precompile | tee log
  10/10 CMD ["/bin/bash" "-o" "pipefail" "-c" "rails server -b 0.0.0.0"]
  .dir: /usr/src/app
  .cmd: /bin/bash | -o | pipefail | -c | rails server -b 0.0.0.0
)");
}

TEST(Golden, a_static_site_behind_a_proxy) {
    EXPECT_EQ(paper(R"(# check=skip=JSONArgsRecommended
FROM node:lts AS site
ARG BASE_URL=/
RUN npm run build -- --base "${BASE_URL}"
FROM nginx:1.27-alpine
ARG DOMAIN=example.com
ENV SERVER_NAME=${DOMAIN:-localhost} WWW=www.${DOMAIN%.com}.net UPPER=${DOMAIN/example/EXAMPLE}
COPY --from=site --chmod=0644 /dist /usr/share/nginx/html
COPY <<'EOF' /etc/nginx/templates/default.conf.template
server { server_name ${SERVER_NAME}; root /usr/share/nginx/html; }
EOF
CMD nginx -g "daemon off;"
)"),
              R"(
site <- node:lts
  2/9 ARG BASE_URL=/
  3/9 RUN sh: npm run build -- --base "${BASE_URL}"
1 <- nginx:1.27-alpine
  5/9 ARG DOMAIN=example.com
  6/9 ENV SERVER_NAME=example.com WWW=www.example.net UPPER=EXAMPLE.com
  7/9 COPY --chmod=0644 /dist /usr/share/nginx/html
  8/9 COPY <<EOF /etc/nginx/templates/default.conf.template
  9/9 CMD ["/bin/sh" "-c" "nginx -g \"daemon off;\""]
  .env: SERVER_NAME=example.com | WWW=www.example.net | UPPER=EXAMPLE.com
  .cmd: /bin/sh | -c | nginx -g "daemon off;"
)");
}

TEST(Golden, a_build_with_tools_mounted) {
    EXPECT_EQ(paper(R"(FROM alpine:3.20 AS tools
RUN apk add --no-cache clang
FROM tools AS sdk
RUN echo sdk
FROM alpine:3.20 AS build
ARG DEBUG
RUN --mount=from=tools,target=/opt/tools,readonly --mount=target=/src,rw \
    --mount=type=tmpfs,target=/tmp,size=64m --mount=type=ssh \
    --network=none ["/opt/tools/bin/make", "-C", "/src"]
COPY --parents ./libs/*/include ./docs/**/*.md /out/
COPY --from=busybox:1.36 /bin/busybox /bin/
FROM scratch
COPY --from=build /out /
COPY --from=1 /sdk /
)"),
              R"(
tools <- alpine:3.20
  2/12 RUN sh: apk add --no-cache clang
sdk <- stage tools
  4/12 RUN sh: echo sdk
build <- alpine:3.20
  6/12 ARG DEBUG
  7/12 RUN {bind:tools::/opt/tools} {bind:::/src} {tmpfs:::/tmp} {ssh:::} exec: /opt/tools/bin/make | -C | /src
  8/12 COPY --parents ./libs/*/include ./docs/**/*.md /out/
  9/12 COPY /bin/busybox /bin/
3 <- scratch
  11/12 COPY /out /
  12/12 COPY /sdk /
)");
}

TEST(Golden, one_for_another_escape) {
    EXPECT_EQ(paper(R"(# escape=`
FROM mcr.microsoft.com/windows/nanoserver:ltsc2022
ENV chocolateyUseWindowsCompression=false TARGETDIR="C:\app"
COPY testfile.txt c:\
RUN dir c:\ && `
    echo done
WORKDIR /app
ENTRYPOINT ["cmd", "/S", "/C"]
)"),
              R"(
0 <- mcr.microsoft.com/windows/nanoserver:ltsc2022
  2/6 ENV chocolateyUseWindowsCompression=false TARGETDIR=C:\app
  3/6 COPY testfile.txt c:\
  4/6 RUN sh: dir c:\ &&     echo done
  5/6 WORKDIR /app
  6/6 ENTRYPOINT ["cmd" "/S" "/C"]
  .env: chocolateyUseWindowsCompression=false | TARGETDIR=C:\app
  .dir: /app
  .entrypoint: cmd | /S | /C
)");
}

TEST(Golden, the_smallest) {
    EXPECT_EQ(paper("FROM scratch\nCOPY hello /\nCMD [\"/hello\"]"), R"(
0 <- scratch
  2/3 COPY hello /
  3/3 CMD ["/hello"]
  .cmd: /hello
)");
}

} // namespace shoal::dockerfile
