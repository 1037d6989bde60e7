import { make } from '../../api/codec/codec.ts'
import type { Config as ConfigJson, ConfigSpec as ConfigSpecJson, Secret as SecretJson, SecretSpec as SecretSpecJson } from '../../api/engine/swarm-json.ts'
import type { Config, Secret } from '../../api/swarm/objects.ts'
import type { ConfigSpec, SecretSpec } from '../../api/swarm/specs.ts'
import { annotationsFromJson, annotationsToJson, driverFromJson, driverToJson, metaToJson } from './common.ts'
import { base64Text, bytesOf } from './json-value.ts'

/** Without the payload, whatever the store gave: a secret is write-only (Q02). */
export function secretToJson({ id, meta, spec }: Secret): SecretJson {
  return {
    ID: id, ...metaToJson(meta),
    Spec: { ...annotationsToJson(spec?.annotations), Driver: driverToJson(spec?.driver), Templating: driverToJson(spec?.templating) },
  }
}

export function secretSpecFromJson(json: SecretSpecJson): SecretSpec {
  return make('SecretSpec', { annotations: annotationsFromJson(json), data: bytesOf(json.Data, 'Data'), driver: driverFromJson(json.Driver), templating: driverFromJson(json.Templating) })
}

export function configToJson({ id, meta, spec }: Config): ConfigJson {
  return {
    ID: id, ...metaToJson(meta),
    Spec: { ...annotationsToJson(spec?.annotations), Data: base64Text(spec?.data ?? new Uint8Array()), Templating: driverToJson(spec?.templating) },
  }
}

export function configSpecFromJson(json: ConfigSpecJson): ConfigSpec {
  return make('ConfigSpec', { annotations: annotationsFromJson(json), data: bytesOf(json.Data, 'Data'), templating: driverFromJson(json.Templating) })
}
