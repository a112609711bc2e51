# Every image of the project: `docker buildx bake` through scripts/images.sh, which gives the variables their
# values from .env and puts the secrets in their place.

variable "IMAGE_TAG" { default = "latest" }
variable "BASE_IMAGE" { default = "python:3.13-slim-trixie" }
variable "POSTGRES_IMAGE" { default = "postgres:17-trixie" }
variable "PIPELINE_UID" { default = "50000" }
variable "PIPELINE_GID" { default = "50000" }
variable "VERSION" { default = "unknown" }
variable "REVISION" { default = "unknown" }
# Where the sources are published, for the images' labels: the project names no place of its own.
variable "SOURCE_URL" { default = "unknown" }

group "default" {
  targets = ["stage", "service", "airflow", "docker_proxy", "redis"]
}

target "common" {
  context = "."
  args = {
    BASE_IMAGE = BASE_IMAGE
    UID        = PIPELINE_UID
    GID        = PIPELINE_GID
    VERSION    = VERSION
    REVISION   = REVISION
    SOURCE_URL = SOURCE_URL
  }
  # The host's authorities, package index and npm registry: seen by a build step, kept by no image.
  secret = ["id=ca,src=.build/ca", "id=index,src=.build/index", "id=npm,src=.build/npm"]
}

target "stage" {
  inherits = ["common"]
  name     = stage
  matrix = {
    stage = [
      "start_pipeline", "load_data", "data_preprocessing", "separate_data", "build_model",
      "evaluate_model", "model_summary", "trigger_flask_api", "end_pipeline", "predict",
    ]
  }
  dockerfile = "images/${stage}/Dockerfile"
  tags       = ["localhost/ad-click/${stage}:${IMAGE_TAG}"]
}

# Large, and wanted by few: `make spark` builds it, and tests do.
target "build_model_spark" {
  inherits   = ["common"]
  dockerfile = "images/build_model_spark/Dockerfile"
  tags       = ["localhost/ad-click/build_model_spark:${IMAGE_TAG}"]
}

target "service" {
  inherits   = ["common"]
  name       = service
  matrix     = { service = ["mailbox", "monitor", "predictor"] }
  dockerfile = "images/${service}/Dockerfile"
  tags       = ["localhost/ad-click/${service}:${IMAGE_TAG}"]
}

target "airflow" {
  inherits   = ["common"]
  dockerfile = "orchestration/Dockerfile"
  tags       = ["localhost/ad-click/airflow:${IMAGE_TAG}"]
}

target "docker_proxy" {
  inherits = ["common"]
  context  = "orchestration/docker_proxy"
  tags     = ["localhost/ad-click/docker-proxy:${IMAGE_TAG}"]
}

target "redis" {
  inherits = ["common"]
  context  = "orchestration/redis"
  tags     = ["localhost/ad-click/redis:${IMAGE_TAG}"]
}

# Only for hosts without a registry, by scripts/base_images.sh.
target "postgres" {
  inherits = ["common"]
  context  = "scripts/postgres"
  tags     = [POSTGRES_IMAGE]
}
